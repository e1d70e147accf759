"""The hosted pages: checkout, customer portal, invoices and the clock. HTML forms, no scripts."""
