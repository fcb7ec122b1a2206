"""Which value of a drive is which metric, as data. Pure.

ATA attributes are the maker's own: their numbers are agreed on only in part, and many makers pack
several counters into the 48 bits of one raw value. What is not in this table is not passed on.
Units stand in the catalogue. Sources: smartmontools' drivedb.h and smartctl(8); ATA/ATAPI Command
Set 4 for the device statistics; NVM Express Base Specification 2.0, figure 207, for the health log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: How a number is taken out of an ATA attribute:
#: ``count``: the raw value, where it is one number; the first number of smartctl's text where more
#: follow in brackets. ``low16``: the lowest 16 bits, where the raw value is packed. ``high16``: the
#: highest 16 of 48 bits, errors; the other 32 count the operations. ``used``: 100 less the
#: normalised value, which falls from 100 as the drive wears out. ``left``: the normalised value,
#: where it has a threshold.
Form = Literal["count", "low16", "high16", "used", "left"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """An ATA attribute that has a meaning.

    :ivar names: what smartctl may call it, as a pattern; None for any name.
    :ivar makers: of drives for which this is so, as a pattern of their model or family.
    """

    id: int
    metric: str
    form: Form = "count"
    names: re.Pattern[str] | None = None
    makers: re.Pattern[str] | None = None


def _named(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


SEAGATE = _named(r"seagate|\bST\d{3,}")

ATTRIBUTES = (
    Attribute(1, "ReadErrors", "high16", makers=SEAGATE),
    Attribute(4, "StartStops"),
    Attribute(5, "ReallocatedSectors"),
    Attribute(7, "SeekErrors", "high16", makers=SEAGATE),
    Attribute(10, "SpinRetries", names=_named("Spin_Retry")),
    Attribute(12, "PowerCycles"),
    Attribute(22, "HeliumLevel", names=_named("Helium")),
    Attribute(169, "PercentageUsed", "used", names=_named("Remaining_Life")),
    Attribute(170, "AvailableSpare", "left", names=_named("Available_Reserv|Reserved_Block_Pct")),
    Attribute(171, "ProgramFails", names=_named("Program_Fail")),
    Attribute(172, "EraseFails", names=_named("Erase_Fail")),
    Attribute(174, "UnsafeShutdowns", names=_named("Unsafe_Shutdown|Power_Loss|Unexpect")),
    Attribute(177, "PercentageUsed", "used", names=_named("Wear_Leveling")),
    Attribute(179, "AvailableSpare", "left", names=_named("Used_Rsvd_Blk")),
    Attribute(181, "ProgramFails", names=_named("Program_Fail")),
    Attribute(182, "EraseFails", names=_named("Erase_Fail")),
    Attribute(184, "EndToEndErrors", names=_named("End-to-End|Error_Correction")),
    Attribute(187, "ReportedUncorrectable", names=_named("^(?!Unknown_JMF)")),
    Attribute(188, "CommandTimeouts", "low16", names=_named("Timeout")),
    Attribute(192, "UnsafeShutdowns", names=_named("Unsafe_Shutdown")),
    Attribute(193, "LoadCycles", names=_named("Load_Cycle")),
    Attribute(196, "ReallocationEvents", names=_named("Realloc")),
    # Crucial and Micron count pending corrections as ECC: they come and go, and nothing is lost.
    # The MX500's flips between 0 and 1 without a reason: smartctl calls it Bogus_Current_Pend_Sect.
    Attribute(197, "PendingSectors", names=_named("^(?!.*ECC|Bogus|Not_In_Use)")),
    Attribute(198, "OfflineUncorrectable", names=_named("Unc")),
    # Some solid-state drives count under this number what was written.
    Attribute(199, "CrcErrors", names=_named("^(?!Host_|Write_|Not_In_Use)")),
    Attribute(202, "PercentageUsed", "used", names=_named("Percent_Lifetime|Rated_Life_Used")),
    Attribute(230, "PercentageUsed", "used", names=_named("Life_Curve|Drive_Life")),
    Attribute(231, "PercentageUsed", "used", names=_named("SSD_Life_Left|Remaining_Life")),
    Attribute(232, "AvailableSpare", "left", names=_named("Avail(?:able)?_Res")),
    Attribute(233, "PercentageUsed", "used", names=_named("Media_Wearout")),
)
BY_ID: Mapping[int, Attribute] = {each.id: each for each in ATTRIBUTES}

#: Bytes over a drive's life, by what smartctl calls the attribute: bytes per unit of its raw value,
#: 0 for its logical sectors.
WRITTEN = _named(r"(?:Total|Lifetime|Host)_(?:Host_)?(?:Writes|LBAs_Written|LBAs?_Write)(?:_(.*))?")
READ = _named(r"(?:Total|Lifetime|Host)_(?:Host_)?(?:Reads|LBAs_Read)(?:_(.*))?")
SIZES = {"": 0, "32MiB": 32 * 2**20, "MiB": 2**20, "GiB": 2**30, "GB": 10**9}

#: ATA device statistics by page and offset: more exact than the attributes, and win over them.
STATISTICS = {(1, 16): "PowerOnHours", (6, 24): "CrcErrors", (7, 8): "PercentageUsed"}
#: The same where no attribute says it, or says 0: the first two are in logical sectors, of which a
#: physical one may have eight; and the statistics can be set back to zero.
STATISTICS_ELSE = {
    (3, 32): "ReallocatedSectors",
    (3, 56): "PendingSectors",
    (4, 8): "ReportedUncorrectable",
}
STATISTICS_SECTORS = {(1, 24): "LifetimeWritten", (1, 40): "LifetimeRead"}

#: Keys of ``nvme_smart_health_information_log`` and what one unit of each is.
NVME = {
    "available_spare": ("AvailableSpare", 1),
    "available_spare_threshold": ("AvailableSpareThreshold", 1),
    "percentage_used": ("PercentageUsed", 1),
    "data_units_read": ("LifetimeRead", 512_000),
    "data_units_written": ("LifetimeWritten", 512_000),
    "power_cycles": ("PowerCycles", 1),
    "power_on_hours": ("PowerOnHours", 1),
    "unsafe_shutdowns": ("UnsafeShutdowns", 1),
    "media_errors": ("MediaErrors", 1),
    "num_err_log_entries": ("ErrorLogEntries", 1),
    "warning_temp_time": ("WarningTempTime", 1),
    "critical_comp_time": ("CriticalTempTime", 1),
}
#: Bits of its ``critical_warning``, from the lowest on.
NVME_WARNINGS = (
    "SpareBelowThreshold",
    "TemperatureOutOfRange",
    "ReliabilityDegraded",
    "MediaReadOnly",
    "BackupFailed",
    "PersistentMemoryUnreliable",
)

#: SCSI: where a value stands, and what one unit of it is.
SCSI = (
    (("scsi_grown_defect_list",), "GrownDefects", 1),
    (("scsi_pending_defects", "count"), "PendingSectors", 1),
    (("scsi_percentage_used_endurance_indicator",), "PercentageUsed", 1),
    (("scsi_error_counter_log", "read", "total_uncorrected_errors"), "UncorrectedReads", 1),
    (("scsi_error_counter_log", "write", "total_uncorrected_errors"), "UncorrectedWrites", 1),
    (("scsi_error_counter_log", "verify", "total_uncorrected_errors"), "UncorrectedVerifies", 1),
    (("scsi_error_counter_log", "read", "gigabytes_processed"), "LifetimeRead", 10**9),
    (("scsi_error_counter_log", "write", "gigabytes_processed"), "LifetimeWritten", 10**9),
    (("scsi_start_stop_cycle_counter", "accumulated_start_stop_cycles"), "StartStops", 1),
    (("scsi_start_stop_cycle_counter", "accumulated_load_unload_cycles"), "LoadCycles", 1),
)

#: What every kind of drive may say.
COMMON = (
    (("power_on_time", "hours"), "PowerOnHours"),
    (("power_cycle_count",), "PowerCycles"),
    (("endurance_used", "current_percent"), "PercentageUsed"),
)
#: ATA attributes that are temperatures: at their threshold they are no damage.
TEMPERATURE_ATTRIBUTES = (190, 194)
#: On flash makers use them as they like: 198 may be anything.
OF_DISKS = (197, 198)
#: Those that count starts, hours and load cycles.
USE_ATTRIBUTES = (4, 9, 12, 192, 193, 222, 225, 240)
#: Temperatures, in degC.
TEMPERATURES = (
    (("temperature", "drive_trip"), "TempTrip"),
    (("nvme_composite_temperature_threshold", "critical"), "TempTrip"),
    (("temperature", "critical_limit_max"), "TempTrip"),
    (("temperature", "lifetime_min"), "TempLifetimeMin"),
    (("temperature", "lifetime_max"), "TempLifetimeMax"),
    (("ata_sct_status", "temperature", "lifetime_min"), "TempLifetimeMin"),
    (("ata_sct_status", "temperature", "lifetime_max"), "TempLifetimeMax"),
    # Where the usual place says 0, as of some SAS drives, these still know it.
    (("nvme_smart_health_information_log", "temperature"), "DiskTemp"),
    (("scsi_environmental_reports", "temperature_1", "current"), "DiskTemp"),
    (("scsi_environmental_reports", "temperature_1", "lifetime_minimum"), "TempLifetimeMin"),
    (("scsi_environmental_reports", "temperature_1", "lifetime_maximum"), "TempLifetimeMax"),
    (("temperature", "current"), "DiskTemp"),
)
