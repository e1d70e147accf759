"""Plans now; checkout, the customer portal and Stripe's events as they come."""
