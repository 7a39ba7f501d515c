"""The least Django project that is an OpenID provider. Where it keeps what it makes and who it is comes from the
environment: LAB_DIRECTORY and LAB_ISSUER."""

import os
from pathlib import Path

from jwcrypto.jwk import JWK

DIRECTORY = Path(os.environ["LAB_DIRECTORY"])
ISSUER = os.environ["LAB_ISSUER"]


def signing_key():
    """The key that signs; an administrator who wants another one renames it to `former-key.pem`."""
    path = DIRECTORY / "key.pem"
    if not path.exists():
        path.write_bytes(JWK.generate(kty="RSA", size=2048).export_to_pem(private_key=True, password=None))
    return path.read_text()


SECRET_KEY = "of a server that only this machine reaches"
# One that is made to be slow, for every request of a client with a secret, would be most of what a run does.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DIRECTORY / "database.sqlite3"}}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "oauth2_provider",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
LOGIN_URL = "/admin/login/"

FORMER_KEY = DIRECTORY / "former-key.pem"
OAUTH2_PROVIDER = {
    "OIDC_ENABLED": True,
    "OIDC_ISS_ENDPOINT": ISSUER,
    "OIDC_RSA_PRIVATE_KEY": signing_key(),
    "OIDC_RSA_PRIVATE_KEYS_INACTIVE": [FORMER_KEY.read_text()] if FORMER_KEY.exists() else [],
    "SCOPES": {"openid": "Know who you are", "profile": "See your name", "storage": "Use your files"},
    "ACCESS_TOKEN_EXPIRE_SECONDS": 300,
    # Every refresh token is replaced when it is used; a second use ends the login.
    "ROTATE_REFRESH_TOKEN": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
}
