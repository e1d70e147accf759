"""Who someone is: addresses, sign-in links and sessions."""
