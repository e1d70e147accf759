"""What happens: the rules of customers, subscriptions and invoices, and their events."""
