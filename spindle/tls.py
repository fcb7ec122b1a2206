"""TLS: whom a server is trusted by, and what is wrong with a certificate, in words."""

from __future__ import annotations

import contextlib
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


def load_own(cert: str, key: str) -> ssl.SSLContext:
    """What a server of ours shows.

    :raises ssl.SSLError: a file is no PEM, the key is of another certificate, or it wants a
        pass phrase, which nobody is there to type.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(cert, key, password=lambda: "")
    return made


def own_fault(cert: str, key: str) -> str:
    """Why everybody will refuse the certificate that we show, as ``fault``; empty if they need not.

    Whether its name and its authority are right only they can say.
    """
    ours, theirs = load_own(cert, key), ssl.create_default_context(cafile=cert)
    theirs.check_hostname = False
    theirs.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it is its own authority, whoever signed
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = theirs.wrap_bio(back, there), ours.wrap_bio(there, back, server_side=True)
    try:
        for side in sides * 3:  # as many turns as TLS 1.2 takes
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except ssl.SSLError as error:
        return fault(error)
    return ""


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
