"""The compared app's entry point: views that only wait for the database are best in threads."""

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.idiomatic.settings"
application = get_wsgi_application()
