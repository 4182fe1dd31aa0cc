"""The engine as a service: one configuration file, tenants that share nothing, a socket server and a sidecar for gateways."""
