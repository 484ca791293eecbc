"""TPM, Secure Boot and how the machine starts, on Linux: sysfs."""

from __future__ import annotations

from roadworthy_agent.probe import Missing, Status
from roadworthy_agent.probes.tree import Tree

TPM_CLASS = "sys/class/tpm"
EFI = "sys/firmware/efi"
# The variable and its owner: UEFI Specification, section 3.3 (global variables)
SECURE_BOOT = f"{EFI}/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
ATTRIBUTE_BYTES = 4  # efivarfs puts a variable's attributes before its content
UEFI, LEGACY, UNKNOWN = "uefi", "legacy", "unknown"
NO_TPM = "none"


def read_tpm(tree: Tree, firmware_says: str | None) -> tuple[str | None, Missing | None]:
    """Return 2.0, 1.2 or none, or why it is not known.

    The kernel's word counts, as a TPM that is switched off in the firmware is no use to anybody. Where the kernel
    has no TPM support at all, what the SMBIOS tables say (`firmware_says`) is the best there is.
    """
    names = tree.names(TPM_CLASS)
    if not names:
        if tree.exists(TPM_CLASS):
            return NO_TPM, None
        reason = f"the kernel has no TPM support (/{TPM_CLASS} is not there)"
        return firmware_says, None if firmware_says else Missing(
            "hardware.tpm_version", Status.NOT_SUPPORTED, reason
        )
    base = f"{TPM_CLASS}/{names[0]}"
    content = tree.read(f"{base}/tpm_version_major")  # since Linux 5.6
    version = {"1": "1.2", "2": "2.0"}.get(content.text or "")
    if version is None and "TCG version: 1.2" in (tree.text(f"{base}/device/caps") or ""):
        version = "1.2"  # older kernels describe only the old kind
    if version is not None:
        return version, None
    return firmware_says, None if firmware_says else content.missing("hardware.tpm_version")


def read_boot_mode(tree: Tree, *, has_smbios: bool) -> str:
    """Return uefi, legacy or unknown.

    The kernel makes its folder for EFI where it was started by EFI. An Arm board started by its own loader has
    neither that nor a PC's firmware.
    """
    if tree.exists(EFI):
        return UEFI
    return LEGACY if has_smbios else UNKNOWN


def read_secure_boot(tree: Tree, boot_mode: str) -> tuple[bool | None, Missing | None]:
    """Return whether the firmware checks signatures of what it starts, or why that is not known."""
    field = "hardware.secure_boot"
    if boot_mode != UEFI:
        reason = "there is no Secure Boot without UEFI"
        if boot_mode == UNKNOWN:
            reason = "neither UEFI nor a PC's firmware: whether anything is checked is not known"
        return None, Missing(field, Status.NOT_SUPPORTED, reason)
    content = tree.read(SECURE_BOOT, 64)
    if content.data is None:
        return None, content.missing(field)
    if len(content.data) != ATTRIBUTE_BYTES + 1 or content.data[-1] not in {0, 1}:
        return None, Missing(
            field, Status.ERROR, f"/{SECURE_BOOT} holds {len(content.data)} bytes and neither 0 nor 1"
        )
    return content.data[-1] == 1, None
