"""Who a drive is: its ``deviceId``, the same on every host.

``/dev/sdX`` is a label that moves to another drive when cables are swapped or the kernel finds them
in another order. A drive's own name is its World Wide Name (``naa.``, ``eui.``), else its model and
serial number. A virtual disk has neither, and is known by its host alone.
"""

from __future__ import annotations

import re

#: Block devices that are no drives: made of other devices or of memory, served by another machine,
#: for media that come and go, the paths below an NVMe multipath drive, an eMMC's boot areas.
_NO_DRIVE = re.compile(
    r"(loop|ram|zram|dm-|md|nbd|drbd|bcache|zd|sr|fd)\d.*|nvme\d+c\d+n\d+.*|mmcblk\d+(boot|rpmb|gp).*"
)
WWN = re.compile(r"(naa|eui)\.([0-9a-f]{16,32})")
#: Virtual disks whose "serial number" is the same on every host, such as QEMU's QM00001.
_VIRTUAL = re.compile(r"qemu|vbox|virtual|vmware", re.IGNORECASE)
#: What bridges and makers write where there is no serial number.
_NO_SERIAL = re.compile(r"0*|f*|x*|0?123456789[0abcdef]*|none|n/?a|unknown|deadbeef", re.IGNORECASE)


def is_drive(name: str) -> bool:
    """Whether a block device of that name may be a drive, or a part of one."""
    return _NO_DRIVE.fullmatch(name) is None


def valid_name(name: str) -> str:
    """A name the wire contract accepts; what it does not allow becomes ``-``."""
    return re.sub(r"[^A-Za-z0-9._:-]", "-", name).lstrip("._:-")[:128] or "unnamed"


def drive_id(wwn: str, model: str, serial: str) -> str | None:
    """The ``deviceId`` of a drive, the same on every host; None where it has no name of its own.

    :param wwn: such as ``naa.5000c500a1b2c3d4`` or ``eui.0025385b71b0a1b2``; empty if unknown.
    """
    found = WWN.fullmatch(wwn.strip().lower())
    if found is not None and len(set(found[2][1:])) > 1:  # 5000000000000000 is nobody's
        return found[0]
    model, serial = (" ".join(text.split()) for text in (model, serial))
    if not model or _NO_SERIAL.fullmatch(serial) or _VIRTUAL.search(model):
        return None
    return valid_name(re.sub(r"[^A-Za-z0-9._-]+", "-", f"{model}-{serial}"))
