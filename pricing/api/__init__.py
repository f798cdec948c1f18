"""The API of the catalogue: meters, plans, versions, coupons, costs, and who is on what."""
