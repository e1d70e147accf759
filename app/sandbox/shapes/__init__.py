"""Objects with the fields that Stripe gives them; pure functions, no rules."""
