<#
.SYNOPSIS
Holds what roadworthy-agent says of this PC against Windows' own tools. Changes nothing.

.DESCRIPTION
Run as an administrator. Each row is one figure: the agent's, Windows', and whether they agree. No account, serial
number or host name is printed or written. docs/probes/windows.md says which PCs to run it on and what to check by
hand; docs/probes/windows-events.md says what each event means.

.PARAMETER Agent
The agent's program.

.PARAMETER Out
A file for the rows as JSON, to be collected from the pilot PCs.
#>
[CmdletBinding()]
param(
    [string]$Agent = 'roadworthy-agent',
    [string]$Out
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$rows = [System.Collections.Generic.List[object]]::new()

function Get-Part {
    # A value inside nested objects, $null where any step is missing: the agent leaves out what it does not know.
    param($From, [string[]]$Path)
    foreach ($name in $Path) {
        if ($null -eq $From -or -not ($From.PSObject.Properties.Name -contains $name)) { return $null }
        $From = $From.$name
    }
    return $From
}

function Get-Sum {
    # The sum of one value of several objects, $null where none has it.
    param($From, [string]$Name)
    $total = $null
    foreach ($each in @($From)) {
        $value = Get-Part $each @($Name)
        if ($null -ne $value) { $total = [double]$value + $(if ($null -eq $total) { 0 } else { $total }) }
    }
    return $total
}

function Get-EventData {
    # The data of an event by name, never by place or message.
    param($Event)
    $data = @{}
    foreach ($each in ([xml]$Event.ToXml()).Event.EventData.Data) {
        $data[$each.GetAttribute('Name')] = $each.InnerText  # an empty one has no '#text', which strict mode refuses
    }
    return $data
}

function Add-Row {
    # Near is how far apart two numbers may be; texts must be equal but for case and blanks.
    param([string]$Check, $Ours, [scriptblock]$Windows, [double]$Near = 0)
    try { $theirs = & $Windows } catch { $theirs = $null; $why = $_.Exception.Message }
    if ($null -eq $theirs) {
        $verdict = 'Windows tells nothing'
    } elseif ($null -eq $Ours) {
        $verdict = 'agent tells nothing'
    } elseif ($Ours -is [string] -or $theirs -is [string] -or $Ours -is [bool]) {
        $same = (("$Ours" -replace '\s+', ' ').Trim() -ieq ("$theirs" -replace '\s+', ' ').Trim())
        $verdict = if ($same) { 'agrees' } else { 'DIFFERS' }
    } else {
        $verdict = if ([math]::Abs([double]$Ours - [double]$theirs) -le $Near) { 'agrees' } else { 'DIFFERS' }
    }
    $rows.Add([pscustomobject]@{ Check = $Check; Agent = $Ours; Windows = $theirs; Verdict = $verdict })
}

$report = (& $Agent once --json | Out-String) | ConvertFrom-Json
$facts = Get-Part $report @('facts')

# --- operating system ---
$current = Get-ItemProperty 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
Add-Row 'os.build' (Get-Part $facts @('os', 'build')) { "$((Get-CimInstance Win32_OperatingSystem).BuildNumber).$($current.UBR)" }
Add-Row 'os.name' (Get-Part $facts @('os', 'name')) { (Get-CimInstance Win32_OperatingSystem).Caption -replace '^Microsoft ', '' }
Add-Row 'os.edition' (Get-Part $facts @('os', 'edition')) { $current.EditionID }

# --- hardware ---
$hardware = Get-Part $facts @('hardware')
Add-Row 'hardware.vendor' (Get-Part $hardware @('vendor')) { (Get-CimInstance Win32_ComputerSystemProduct).Vendor }
Add-Row 'hardware.model' (Get-Part $hardware @('model')) { (Get-CimInstance Win32_ComputerSystemProduct).Name }
Add-Row 'hardware.bios_version' (Get-Part $hardware @('bios_version')) { (Get-CimInstance Win32_BIOS).SMBIOSBIOSVersion }
Add-Row 'hardware.bios_date' (Get-Part $hardware @('bios_date')) { (Get-CimInstance Win32_BIOS).ReleaseDate.ToUniversalTime().ToString('yyyy-MM-dd') }
Add-Row 'hardware.cpu.model' (Get-Part $hardware @('cpu', 'model')) { @(Get-CimInstance Win32_Processor)[0].Name }
Add-Row 'hardware.cpu.sockets' (Get-Part $hardware @('cpu', 'sockets')) { @(Get-CimInstance Win32_Processor).Count }
Add-Row 'hardware.cpu.cores' (Get-Part $hardware @('cpu', 'cores')) { (Get-CimInstance Win32_Processor | Measure-Object NumberOfCores -Sum).Sum }
Add-Row 'hardware.cpu.threads' (Get-Part $hardware @('cpu', 'threads')) { (Get-CimInstance Win32_Processor | Measure-Object NumberOfLogicalProcessors -Sum).Sum }
Add-Row 'hardware.memory.total_bytes' (Get-Part $hardware @('memory', 'total_bytes')) { (Get-CimInstance Win32_ComputerSystem).TotalPhysicalMemory }
Add-Row 'hardware.memory.modules' (@(Get-Part $hardware @('memory', 'modules') | Where-Object { $_ }).Count) { @(Get-CimInstance Win32_PhysicalMemory).Count }
Add-Row 'hardware.secure_boot' (Get-Part $hardware @('secure_boot')) { Confirm-SecureBootUEFI }
Add-Row 'hardware.tpm_version' (Get-Part $hardware @('tpm_version')) {
    $tpm = Get-CimInstance -Namespace root/cimv2/Security/MicrosoftTpm -ClassName Win32_Tpm
    if ($null -eq $tpm) { 'none' } else { ($tpm.SpecVersion -split ',')[0].Trim() }
}
Add-Row 'hardware.monitors' (@(Get-Part $hardware @('monitors') | Where-Object { $_ }).Count) {
    @(Get-CimInstance -Namespace root/wmi -ClassName WmiMonitorID | Where-Object Active).Count
}

# --- storage ---
$system = try { (Get-Partition -DriveLetter $env:SystemDrive[0]).DiskNumber } catch { $null }
foreach ($disk in @(Get-Part $facts @('storage') | Where-Object { $_ })) {
    $number = [int]($disk.name -replace '\D', '')
    $physical = try { Get-PhysicalDisk | Where-Object DeviceId -EQ "$number" } catch { $null }
    $counter = if ($physical) { $physical | Get-StorageReliabilityCounter -ErrorAction SilentlyContinue }
    Add-Row "$($disk.name).size_bytes" (Get-Part $disk @('size_bytes')) { (Get-Disk -Number $number).Size }
    Add-Row "$($disk.name).holds_system" (Get-Part $disk @('holds_system')) { if ($null -ne $system) { $number -eq $system } }
    Add-Row "$($disk.name).medium" ((Get-Part $disk @('medium')) -replace '^nvme$', 'ssd') {
        if ($physical.MediaType -eq 'Unspecified') { $null } else { "$($physical.MediaType)" }
    }
    Add-Row "$($disk.name).wear_ratio" (Get-Part $disk @('wear_ratio')) { if ($null -ne $counter.Wear) { $counter.Wear / 100 } } 0.01
    Add-Row "$($disk.name).power_on_hours" (Get-Part $disk @('power_on_hours')) { $counter.PowerOnHours } 1
}

# --- batteries ---
$full = @(Get-CimInstance -Namespace root/wmi -ClassName BatteryFullChargedCapacity -ErrorAction SilentlyContinue)
$design = @(Get-CimInstance -Namespace root/wmi -ClassName BatteryStaticData -ErrorAction SilentlyContinue)
$ours = @(Get-Part $facts @('battery') | Where-Object { $_ })
Add-Row 'battery.count' $ours.Count { $full.Count }
if ($ours.Count -gt 0) {
    Add-Row 'battery.full_watt_hours (all)' (Get-Sum $ours 'full_watt_hours') { ($full | Measure-Object FullChargedCapacity -Sum).Sum / 1000 } 0.01
    Add-Row 'battery.design_watt_hours (all)' (Get-Sum $ours 'design_watt_hours') { ($design | Measure-Object DesignedCapacity -Sum).Sum / 1000 } 0.01
}

# --- energy meters: the names this PC has, for the list of channels; the agent's choice beside them ---
$power = @(Get-Part $report @('probes') | Where-Object probe -EQ 'power')
$channels = try {
    (Get-Counter -ListSet 'Energy Meter' -ErrorAction Stop).PathsWithInstances |
        ForEach-Object { if ($_ -match '\(([^)]+)\)') { $Matches[1] } } | Sort-Object -Unique
} catch { @() }
$rows.Add([pscustomobject]@{
        Check   = 'power: channels (compare by eye)'
        Agent   = if ($power.Count) { "$(Get-Part $power[0] @('status')) $(Get-Part $power[0] @('source'))" } else { $null }
        Windows = $channels -join ', '
        Verdict = 'by eye'
    })

# --- the latest start-up against event 100, data by name ---
$log = 'Microsoft-Windows-Diagnostics-Performance/Operational'
$event100 = try { Get-WinEvent -FilterXPath '*[System[EventID=100]]' -LogName $log -MaxEvents 1 } catch { $null }
$start = Get-Part $report @('startups') |
    Where-Object { $_ -and (Get-Part $_ @('source')) -like '*event 100*' } | Select-Object -Last 1
if ($event100 -and $start) {
    $data = Get-EventData $event100
    $phases = @(Get-Part $start @('phases') | Where-Object { $_ })
    $counted = @($phases | Where-Object { Get-Part $_ @('counted') })
    $outside = 'firmware', 'loader', 'handover'
    $within = Get-Sum @($counted | Where-Object { $outside -notcontains $_.name }) 'seconds'
    $before = Get-Sum @($counted | Where-Object { $outside -contains $_.name }) 'seconds'
    if ($null -eq $before) { $before = 0 }
    $usable = Get-Part $start @('usable_seconds')
    Add-Row 'startup: BootTime' $within { [double]$data['BootTime'] / 1000 } 0.005
    Add-Row 'startup: MainPathBootTime' $(if ($null -ne $usable) { $usable - $before }) { [double]$data['MainPathBootTime'] / 1000 } 0.005
    foreach ($pair in @(@('post_boot', 'BootPostBootTime'), @('user_profile', 'BootUserProfileProcessingTime'),
            @('machine_profile', 'BootMachineProfileProcessingTime'), @('explorer_init', 'BootExplorerInitTime'))) {
        $phase = @($phases | Where-Object name -EQ $pair[0])
        Add-Row "startup: $($pair[1])" $(if ($phase.Count) { $phase[0].seconds }) { [double]$data[$pair[1]] / 1000 } 0.005
    }
} else {
    $rows.Add([pscustomobject]@{ Check = 'startup: event 100'; Agent = [bool]$start; Windows = [bool]$event100; Verdict = 'not comparable' })
}

# --- the firmware's times of the latest start, Kernel-Boot 30 in the System log ---
$event30 = try {
    Get-WinEvent -LogName System -MaxEvents 1 -FilterXPath "*[System[Provider[@Name='Microsoft-Windows-Kernel-Boot'] and EventID=30]]"
} catch { $null }
if ($event30) {
    $data = Get-EventData $event30
    $latest = Get-Part $report @('startups') | Where-Object { $_ } | Select-Object -Last 1
    $phase = @(Get-Part $latest @('phases') | Where-Object { $_ -and $_.name -eq 'firmware' })
    Add-Row 'startup: firmware' $(if ($phase.Count) { $phase[0].seconds }) { ([double]$data['StartOSImageStart'] - [double]$data['ResetEndStart']) / 1000 } 0.005
}

$rows | Format-Table -AutoSize -Wrap
$differing = @($rows | Where-Object Verdict -EQ 'DIFFERS').Count
"$($rows.Count) checks, $differing differ."
if ($Out) { $rows | ConvertTo-Json -Depth 3 | Set-Content -Path $Out -Encoding UTF8 }
exit [int]($differing -gt 0)
