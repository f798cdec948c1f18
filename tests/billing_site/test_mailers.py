"""One address says how mail leaves."""

import pytest

from billing_site.mailers import mailers


def test_a_folder_with_a_space_keeps_mail_in_files() -> None:
    default = mailers("file:///var/my%20mail")["default"]
    assert default["BACKEND"].endswith("filebased.EmailBackend")
    assert default["OPTIONS"] == {"file_path": "/var/my mail"}


def test_smtp_takes_its_parts_from_the_address() -> None:
    default = mailers("smtp+tls://us%40er:pa%2Fss@mail.example:587")["default"]
    assert default["OPTIONS"] == {
        "host": "mail.example",
        "port": 587,
        "username": "us@er",
        "password": "pa/ss",
        "use_tls": True,
    }


def test_the_console_needs_nothing_more() -> None:
    assert mailers("console:")["default"]["BACKEND"].endswith("console.EmailBackend")


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="pigeon"):
        mailers("pigeon://loft")
