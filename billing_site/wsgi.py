"""The WSGI entry point."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from billing_site.measured_bodies import measured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings")
application = measured(get_wsgi_application(), most=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
