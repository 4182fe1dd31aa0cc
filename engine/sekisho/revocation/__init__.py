"""Revocation data: what CAs say of the certificates that they took back, from CRL to snapshot."""
