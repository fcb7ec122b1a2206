"""TLS to a server: whom it is trusted by, and what is wrong with a certificate, in words."""

from __future__ import annotations

import ssl

#: Of OpenSSL's verification (X509_V_ERR_...).
_EXPIRED, _NOT_YET = 10, 9
_OTHER_NAME = {62, 64}  # a host name, an IP address


def context(ca: str, cert: str = "", key: str = "") -> ssl.SSLContext:
    """Trusts the certificate authorities of a PEM file, or those of the system where it is empty.

    :param cert: a certificate of our own to show, with its ``key``; PEM files, or empty.
    """
    made = ssl.create_default_context(cafile=ca or None)
    if cert:
        made.load_cert_chain(cert, key or None)
    return made


def fault(error: BaseException) -> str:
    """Why a server's certificate was refused; empty where that is not what ``error`` says."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return ""
    if error.verify_code == _EXPIRED:
        return "its certificate has expired"
    if error.verify_code == _NOT_YET:
        return "its certificate is not valid yet; is the clock of this machine right?"
    if error.verify_code in _OTHER_NAME:
        return f"its certificate is not for this address: {error.verify_message}"
    return f"its certificate is of no authority that is trusted here: {error.verify_message}"
