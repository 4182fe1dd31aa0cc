"""Synthetic certificates, people and logins for tests."""
