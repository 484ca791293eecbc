"""Asking a disk on Linux how it is: NVMe admin commands and ATA commands through SG_IO.

Only commands that read are sent, to the block device opened read-only, and a disk that sleeps is left asleep.
Both ways need rights an ordinary account does not have (CAP_SYS_ADMIN for NVMe, CAP_SYS_RAWIO for ATA).

Structures and numbers: the kernel's include/uapi/linux/nvme_ioctl.h, include/scsi/sg.h; commands: NVM Express
Base Specification 2.0 (5.16), ATA Command Set - 4, SCSI / ATA Translation - 4 (12.2, ATA PASS-THROUGH).
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from array import array
from dataclasses import dataclass

from roadworthy_agent.probes.storage.document import compose
from roadworthy_agent.probes.storage.health import HealthError
from roadworthy_agent.probes.storage.nvme import LOG_BYTES
from roadworthy_agent.probes.storage.smart import PAGES, SECTOR_BYTES
from roadworthy_agent.reading import Status

TIMEOUT_MILLISECONDS = 5000

NVME_ADMIN_COMMAND = 0xC0484E41  # NVME_IOCTL_ADMIN_CMD
NVME_COMMAND = struct.Struct("=BBHIIIQQ10I")  # struct nvme_passthru_cmd
GET_LOG_PAGE, HEALTH_LOG, EVERY_NAMESPACE = 0x02, 0x02, 0xFFFFFFFF

SG_IO = 0x2285
SG_HEADER = struct.Struct("@iiBBHIPPPIIiPBBBBHHiII")  # struct sg_io_hdr
SG_HEADER_BYTES = 88 if struct.calcsize("P") == 8 else SG_HEADER.size  # C pads its end
SG_FROM_DEVICE, SG_NO_DATA = -3, -1
CHECK_CONDITION = 2

ATA_PASS_THROUGH_16 = 0x85
NON_DATA, PIO_IN = 3, 4
READ_FLAGS, CHECK_FLAGS = 0x0E, 0x20  # one sector from the device; answer with the registers
IDENTIFY, CHECK_POWER_MODE, READ_LOG_EXT, SMART = 0xEC, 0xE5, 0x2F, 0xB0
SMART_READ_DATA, SMART_RETURN_STATUS = 0xD0, 0xDA
SMART_KEY = 0xC24F00  # every SMART command carries it in LBA mid and high
STATISTICS_LOG = 0x04
ASLEEP = frozenset({0x00, 0x01, 0x40})  # standby, standby_y, platters stopped
GENERAL_LOGS_WORD, GENERAL_LOGS_BIT = 84, 1 << 5

HOW_TO_PERMIT = "docs/probes/storage.md says how to let a root step read it"


class NoAnswerError(HealthError):
    """The disk (or what stands before it) refused a command."""


@dataclass(frozen=True, slots=True)
class Registers:
    """What an ATA command left in the registers."""

    count: int
    lba: int
    failed: bool


def ask(name: str, bus: str) -> bytes:
    """Return the document of the disk /dev/`name` on bus nvme or ata; why there is no answer is in it too."""
    path = f"/dev/{name}"
    try:
        descriptor = _open(path)
        try:
            return _ask_nvme(descriptor) if bus == "nvme" else _ask_ata(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        denied = error.errno in {errno.EACCES, errno.EPERM, errno.ENOENT}  # a closed /dev has no disks at all
        status = Status.NO_PERMISSION if denied else Status.ERROR
        reason = f"{path}: {error.strerror}" + (f"; {HOW_TO_PERMIT}" if denied else "")
        return no_answer(status, reason)
    except HealthError as error:
        return no_answer(Status.NOT_SUPPORTED, f"{path}: {error}")


def no_answer(status: Status, reason: str) -> bytes:
    """Return the document of a disk that gave no answer."""
    return compose(missing={"status": str(status), "reason": reason})


def _open(path: str) -> int:
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), path)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _control(descriptor: int, request: int, argument: bytearray) -> int:
    """Call ioctl(2), which may change `argument`, and return what it returns; raises OSError."""
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import fcntl  # not on Windows

    result: int = fcntl.ioctl(descriptor, request, argument, True)
    return result


def _ask_nvme(descriptor: int) -> bytes:
    page = array("B", bytes(LOG_BYTES))
    address, length = page.buffer_info()
    dwords = (LOG_BYTES // 4 - 1) << 16 | HEALTH_LOG
    command = bytearray(
        NVME_COMMAND.pack(
            *(GET_LOG_PAGE, 0, 0, EVERY_NAMESPACE, 0, 0, 0, address, 0, length),
            *(dwords, 0, 0, 0, 0, 0, TIMEOUT_MILLISECONDS, 0),
        )
    )
    status = _control(descriptor, NVME_ADMIN_COMMAND, command)
    if status != 0:
        raise NoAnswerError(f"the controller refused the health log (status {status:#x})")
    return compose(nvme_log=page.tobytes())


def _ask_ata(descriptor: int) -> bytes:
    power = _ata(descriptor, CHECK_POWER_MODE)[1]
    if power is not None and not power.failed and power.count in ASLEEP:
        return no_answer(Status.NO_DATA_YET, "the disk sleeps, and is not woken for this")
    data = _ata(descriptor, SMART, feature=SMART_READ_DATA, lba=SMART_KEY, read=True)[0]
    verdict = _ata(descriptor, SMART, feature=SMART_RETURN_STATUS, lba=SMART_KEY)[1]
    return compose(
        ata_attributes=data,
        ata_status=None if verdict is None else ((verdict.lba >> 8) & 0xFF, (verdict.lba >> 16) & 0xFF),
        ata_statistics=_statistics(descriptor),
    )


def _statistics(descriptor: int) -> dict[int, bytes]:
    """Return the pages of the device statistics log that the disk lists; older disks keep none."""
    try:
        identity = _ata(descriptor, IDENTIFY, read=True)[0]
        word = int.from_bytes(identity[2 * GENERAL_LOGS_WORD : 2 * GENERAL_LOGS_WORD + 2], "little")
        # Words 83-84 hold something if their upper two bits are 01.
        if word >> 14 != 1 or not word & GENERAL_LOGS_BIT:
            return {}
        contents = _page(descriptor, 0)
        listed = contents[9 : 9 + contents[8]]
        return {number: _page(descriptor, number) for number in PAGES if number in listed}
    except NoAnswerError:
        return {}


def _page(descriptor: int, number: int) -> bytes:
    return _ata(descriptor, READ_LOG_EXT, lba=number << 8 | STATISTICS_LOG, read=True, extended=True)[0]


def _ata(
    descriptor: int,
    command: int,
    *,
    feature: int = 0,
    lba: int = 0,
    read: bool = False,
    extended: bool = False,
) -> tuple[bytes, Registers | None]:
    """Send one ATA command; return the sector read (b"" without `read`) and the registers (only without `read`).

    Raises NoAnswerError where the disk or the controller refuses a command that reads.
    """
    block = bytes((
        ATA_PASS_THROUGH_16, (PIO_IN if read else NON_DATA) << 1 | extended, READ_FLAGS if read else CHECK_FLAGS,
        0, feature, 0, 1 if read else 0,
        (lba >> 24) & 0xFF, lba & 0xFF, (lba >> 32) & 0xFF, (lba >> 8) & 0xFF, (lba >> 40) & 0xFF, (lba >> 16) & 0xFF,
        0, command, 0,
    ))  # fmt: skip
    sector, sense, code = array("B", bytes(SECTOR_BYTES)), array("B", bytes(64)), array("B", block)
    header = bytearray(SG_HEADER_BYTES)
    SG_HEADER.pack_into(
        header, 0, ord("S"), SG_FROM_DEVICE if read else SG_NO_DATA, len(block), 64, 0,
        SECTOR_BYTES if read else 0, sector.buffer_info()[0] if read else 0, code.buffer_info()[0],
        sense.buffer_info()[0], TIMEOUT_MILLISECONDS, *(0,) * 12,
    )  # fmt: skip
    _control(descriptor, SG_IO, header)
    answer = SG_HEADER.unpack_from(header)
    status, host = answer[13], answer[17]
    if read:
        if status or host:
            raise NoAnswerError(f"ATA command {command:#04x} was refused")
        return sector.tobytes(), None
    return b"", parse_sense(sense.tobytes()) if status == CHECK_CONDITION and not host else None


def parse_sense(sense: bytes) -> Registers | None:
    """Return the ATA registers of SCSI sense data, in descriptor (0x72) or fixed (0x70) format; None without them.

    SCSI / ATA Translation - 4, 12.2.2.6 and 12.2.2.7.
    """
    kind = sense[0] & 0x7F if sense else 0
    if kind == 0x72 and len(sense) >= 22 and sense[8:10] == b"\x09\x0c":
        found = sense[8:22]
        return Registers(found[5], found[11] << 16 | found[9] << 8 | found[7], bool(found[13] & 1))
    if (
        kind == 0x70 and len(sense) >= 14 and sense[12:14] == b"\x00\x1d"
    ):  # ATA pass-through information available
        return Registers(sense[6], sense[11] << 16 | sense[10] << 8 | sense[9], bool(sense[4] & 1))
    return None
