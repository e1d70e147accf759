"""The API: Stripe's paths and parameters, each handed to one act."""
