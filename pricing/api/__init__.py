"""The API of the catalogue: meters, plans and their versions, coupons, and who is on what."""
