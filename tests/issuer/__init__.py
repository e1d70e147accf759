"""OpenID providers for the tests: a real one, and one that lies."""
