"""Finding the programs inside the wheels that bring them, without importing the wheels."""

from importlib import metadata, util
from pathlib import Path

from billing_site.processes import system_users
from billing_site.processes.system_users import SystemUser


def root(package: str, folders: tuple[str, ...], *, user: SystemUser | None) -> Path:
    """Return the folder under which a wheel's own folders are readable for the user.

    Raises ModuleNotFoundError when the wheel is not installed on this machine.
    """
    found = util.find_spec(package)
    if found is None or found.origin is None:
        message = (
            f"{package} is not installed: name servers of your own in DATABASE_URL and BROKER_URL"
        )
        raise ModuleNotFoundError(message, name=package)
    installed = Path(found.origin).resolve().parent.parent
    name = f"{package}-{metadata.version(package)}"
    return system_users.readable_copy(installed, folders, name=name, user=user)
