"""Settings of the compared app: nothing that its one endpoint does not need."""

import environ

env = environ.Env()

SECRET_KEY = "compared"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["rest_framework", "tests.benchmarks.idiomatic"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "tests.benchmarks.idiomatic.urls"
DATABASES = {
    "default": {
        **env.db_url("IDIOMATIC_DATABASE_URL"),
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": {
            **env.db_url("IDIOMATIC_DATABASE_URL").get("OPTIONS", {}),
            "pool": {"min_size": 0, "max_size": 10},
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tests.benchmarks.idiomatic.authentication.KeyAuthentication"
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "UNAUTHENTICATED_USER": None,
}
