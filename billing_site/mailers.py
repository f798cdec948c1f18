"""How mail leaves: one address in `EMAIL_URL` for what Django keeps in `MAILERS`."""

from typing import Any
from urllib.parse import unquote, urlsplit

_BACKENDS = "django.core.mail.backends"
_SMTP = {"smtp": {}, "smtp+tls": {"use_tls": True}, "smtp+ssl": {"use_ssl": True}}


def mailers(url: str) -> dict[str, dict[str, Any]]:
    """Return the `MAILERS` setting for one address.

    `console:` prints mail, `file:///folder` keeps it in files, and `smtp://`, `smtp+tls://` or
    `smtp+ssl://user:password@host:port` sends it. Raises ValueError for anything else.
    """
    parts = urlsplit(url)
    match parts.scheme:
        case "console":
            return {"default": {"BACKEND": f"{_BACKENDS}.console.EmailBackend"}}
        case "file":
            options: dict[str, Any] = {"file_path": unquote(parts.path)}
            return {
                "default": {"BACKEND": f"{_BACKENDS}.filebased.EmailBackend", "OPTIONS": options}
            }
        case scheme if scheme in _SMTP:
            options = {
                "host": parts.hostname or "localhost",
                "port": parts.port or 25,
                "username": unquote(parts.username or ""),
                "password": unquote(parts.password or ""),
                **_SMTP[scheme],
            }
            return {"default": {"BACKEND": f"{_BACKENDS}.smtp.EmailBackend", "OPTIONS": options}}
    raise ValueError(f"EMAIL_URL {parts.scheme}: is none of console:, file:, {', '.join(_SMTP)}")
