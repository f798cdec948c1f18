"""What is compared with: usage billing as one writes it with Django REST Framework and the ORM.

An app of its own with a database of its own, run by the same server: a serializer validates, the
account is locked with select_for_update, and everything is read and written through models. It
records an event once, prices it by the same matrix, blocks what cannot be paid, and keeps a ledger
and running totals; it has no grants, chain, plans, periods or tenants' walls.
"""
