"""Terms, coupons, overrides and scheduled changes refer only to rows of their own tenant."""

from django.db import migrations

from accounts.models.guards import same_tenant

REFERENCES = [
    ("pricing_planversion", "base_fee_asset_id", "accounts_asset"),
    ("pricing_planversion", "seat_fee_asset_id", "accounts_asset"),
    ("pricing_planversion", "customer_id", "accounts_customer"),
    ("pricing_planversion", "based_on_id", "pricing_planversion"),
    ("pricing_includedcredit", "plan_version_id", "pricing_planversion"),
    ("pricing_includedcredit", "asset_id", "accounts_asset"),
    ("pricing_entitlement", "plan_version_id", "pricing_planversion"),
    ("pricing_entitlement", "meter_id", "pricing_meter"),
    ("pricing_coupon", "asset_id", "accounts_asset"),
    ("pricing_couponredemption", "subscription_id", "pricing_subscription"),
    ("pricing_couponredemption", "coupon_id", "pricing_coupon"),
    ("pricing_priceoverride", "customer_id", "accounts_customer"),
    ("pricing_priceoverride", "plan_id", "pricing_plan"),
    ("pricing_priceoverride", "meter_id", "pricing_meter"),
    ("pricing_priceoverride", "asset_id", "accounts_asset"),
    ("pricing_scheduledchange", "subscription_id", "pricing_subscription"),
    ("pricing_scheduledchange", "customer_id", "accounts_customer"),
    ("pricing_scheduledchange", "plan_version_id", "pricing_planversion"),
]


class Migration(migrations.Migration):
    dependencies = [("pricing", "0004_plan_terms"), ("accounts", "0002_same_tenant")]

    operations = [same_tenant(*reference) for reference in REFERENCES]
