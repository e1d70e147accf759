"""Sending mail: by SMTP when `SMTP_URL` is set, else into files that `/dev/mail` shows."""

from app.core.settings import Settings
from app.integrations.mail.files import FileMailer, StoredMail, list_stored
from app.integrations.mail.message import Mail, Mailer
from app.integrations.mail.smtp import SmtpMailer

__all__ = ["FileMailer", "Mail", "Mailer", "SmtpMailer", "StoredMail", "list_stored", "make_mailer"]


def make_mailer(settings: Settings) -> Mailer:
    """The mailer that the settings ask for."""
    if settings.smtp_url:
        return SmtpMailer(settings.smtp_url, sender=settings.mail_from)
    return FileMailer(settings.var_dir / "mail", sender=settings.mail_from)
