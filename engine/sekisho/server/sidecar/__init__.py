"""The sidecar: logins, challenges and certificates over HTTP, and verdicts for the gateways that people already run."""
