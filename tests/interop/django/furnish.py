"""Makes the database of a run: the person and the clients that an administrator would add. Arguments: the person's
name, the redirect URIs and the secret of the client that has one; the person's password is in the environment."""

import sys

import django
from django.core.management import call_command

django.setup()
person, redirect_uris, secret = sys.argv[1:]
call_command("migrate", verbosity=0)
call_command("createsuperuser", interactive=False, username=person, email=f"{person}@lab.example")


def add_client(kind, **others):
    call_command(
        "createapplication", kind, "authorization-code", redirect_uris=redirect_uris, algorithm="RS256", **others
    )


add_client("public", client_id="lab-public", name="A public client")
add_client("confidential", client_id="lab-confidential", name="A client with a secret", client_secret=secret)
