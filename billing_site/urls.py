"""All URLs."""

urlpatterns = []
