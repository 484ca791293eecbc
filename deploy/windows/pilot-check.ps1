<#
.SYNOPSIS
Holds what roadworthy-agent says of this PC against Windows' own tools. Changes nothing.

.DESCRIPTION
Each row is one figure: the agent's, Windows', and whether they agree. No account, program, serial number or host name
is printed or written. docs/probes/windows.md says which PCs to run it on and what to check by hand;
docs/probes/windows-events.md says what each event means.

Run it twice on each PC, some minutes after somebody signed in, in Windows PowerShell 5.1:

1. As an administrator, who may read everything:

    powershell -ExecutionPolicy Bypass -File C:\Pilot\pilot-check.ps1 -Out C:\Pilot\pc01-admin.json

2. As LocalService, the account of the agent's service, by a task that the administrator makes and removes again. Rows
   that Windows refuses to this account read "Windows tells nothing"; what the agent tells must be the same as before.

    icacls C:\Pilot /grant '*S-1-5-19:(OI)(CI)M'
    $action = New-ScheduledTaskAction -Execute powershell.exe -Argument ('-NoProfile -ExecutionPolicy Bypass ' +
        '-File C:\Pilot\pilot-check.ps1 -Agent "C:\Program Files\Roadworthy\roadworthy-agent.exe" ' +
        '-Out C:\Pilot\pc01-service.json')
    $account = New-ScheduledTaskPrincipal -UserId LOCALSERVICE -LogonType ServiceAccount
    Register-ScheduledTask -TaskName RoadworthyPilot -Action $action -Principal $account
    Start-ScheduledTask -TaskName RoadworthyPilot
    (Get-ScheduledTask -TaskName RoadworthyPilot).State     # until it says Ready
    Unregister-ScheduledTask -TaskName RoadworthyPilot -Confirm:$false

Then, with the files of all PCs in one folder, anywhere:

    powershell -ExecutionPolicy Bypass -File pilot-check.ps1 -Combine C:\Results

.PARAMETER Agent
The agent's program.

.PARAMETER Out
A file for the rows as JSON, to be collected from the pilot PCs; with -Combine, for the table.

.PARAMETER Combine
A folder of such files: prints, for each figure, on how many PCs it agrees and on which it differs. Asks neither the
agent nor Windows.
#>
[CmdletBinding()]
param(
    [string]$Agent = 'roadworthy-agent',
    [string]$Out,
    [string]$Combine
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$rows = New-Object 'System.Collections.Generic.List[object]'

function Join-Result {
    # One row for each figure over all files of a folder: how often each verdict was given, and where it differs.
    param([string]$Folder)
    $sums = [ordered]@{}
    foreach ($file in @(Get-ChildItem -Path $Folder -Filter '*.json' | Sort-Object Name)) {
        $told = Get-Content -Path $file.FullName -Raw -Encoding UTF8 | ConvertFrom-Json
        foreach ($row in $told) {
            if (-not $sums.Contains($row.Check)) {
                $sums[$row.Check] = [pscustomobject]@{
                    Check = $row.Check; Agrees = 0; Differs = 0; AgentNothing = 0; WindowsNothing = 0; ByEye = 0; DiffersIn = ''
                }
            }
            $sum = $sums[$row.Check]
            switch ($row.Verdict) {
                'agrees' { $sum.Agrees++ }
                'DIFFERS' { $sum.Differs++; $sum.DiffersIn = ($sum.DiffersIn + ' ' + $file.BaseName).Trim() }
                'agent tells nothing' { $sum.AgentNothing++ }
                'Windows tells nothing' { $sum.WindowsNothing++ }
                default { $sum.ByEye++ }
            }
        }
    }
    return @($sums.Values)
}

if ($Combine) {
    $table = @(Join-Result $Combine)
    $table | Format-Table -AutoSize -Wrap
    $differing = @($table | Where-Object { $_.Differs -gt 0 }).Count
    "$($table.Count) figures, $differing of them differ somewhere."
    if ($Out) { $table | ConvertTo-Json -Depth 3 | Set-Content -Path $Out -Encoding UTF8 }
    exit [int]($differing -gt 0)
}

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
    $nodes = ([xml]$Event.ToXml()).SelectNodes("//*[local-name()='EventData']/*[local-name()='Data']")
    foreach ($each in $nodes) {
        if ($each.GetAttribute('Name')) { $data[$each.GetAttribute('Name')] = $each.InnerText }
    }
    return $data
}

function Get-LogEvent {
    # Events of a channel by provider and number, newest first; none where it is closed or empty.
    param([string]$Log, [string]$Provider, [int[]]$Id, [int]$Most = 32)
    $terms = @($Id | ForEach-Object { "EventID=$_" }) -join ' or '
    try {
        Get-WinEvent -LogName $Log -MaxEvents $Most -FilterXPath "*[System[Provider[@Name='$Provider'] and ($terms)]]"
    } catch {
        Write-Verbose "$Log`: $($_.Exception.Message)"
    }
}

function Get-Instant {
    # An instant of event data in UTC. Windows 10 writes nine digits of a second, of which .NET takes seven.
    param([string]$Text)
    return ([datetime](($Text -replace '[^\x20-\x7E]', '') -replace '(\.\d{7})\d+', '$1')).ToUniversalTime()
}

function Get-Span {
    # Seconds from one event to another, $null where one is missing.
    param($From, $To)
    if ($null -eq $From -or $null -eq $To) { return $null }
    return ($To.TimeCreated - $From.TimeCreated).TotalSeconds
}

function Get-PhaseTime {
    # Seconds of a phase of a start-up or sign-in of the agent, $null where it has none of that name.
    param($Record, [string]$Name)
    $phase = @(Get-Part $Record @('phases') | Where-Object { $_ -and $_.name -eq $Name })
    if ($phase.Count) { return $phase[0].seconds }
    return $null
}

function Add-Eye {
    # A row that a person has to judge.
    param([string]$Check, $Ours, $Theirs)
    $rows.Add([pscustomobject]@{ Check = $Check; Agent = $Ours; Windows = $Theirs; Verdict = 'by eye' })
}

function Add-Row {
    # Near is how far apart two numbers may be; texts must be equal but for case and blanks.
    param([string]$Check, $Ours, [scriptblock]$Windows, [double]$Near = 0)
    try { $theirs = & $Windows } catch { $theirs = $null; Write-Verbose "$Check`: $($_.Exception.Message)" }
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
    $medium = Get-Part $disk @('medium')
    if ($medium -eq 'nvme') { $medium = 'ssd' }
    Add-Row "$($disk.name).medium" $medium {
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
$chosen = if ($power.Count) { "$(Get-Part $power[0] @('status')) $(Get-Part $power[0] @('source'))" } else { $null }
Add-Eye 'power: channels' $chosen (@($channels) -join ', ')

# --- the start of the running kernel: not a wake, whose start_id ends otherwise ---
$starts = @(Get-Part $report @('startups') | Where-Object { $_ })
$boot = $starts | Where-Object { $_.start_id -like '*:0' } | Select-Object -Last 1
$wake = $starts | Where-Object { $_.start_id -notlike '*:0' } | Select-Object -Last 1
$kernelBoot = 'Microsoft-Windows-Kernel-Boot'
# Windows 10 writes a Kernel-General 12 for Fast Startup too; Kernel-Boot 27 beside it tells them apart.
$resumes = @(Get-LogEvent 'System' $kernelBoot 27 | Where-Object { [int](Get-EventData $_)['BootType'] -ne 0 })
$mark = Get-LogEvent 'System' 'Microsoft-Windows-Kernel-General' 12 | Where-Object {
    $at = $_.TimeCreated
    @($resumes | Where-Object { [math]::Abs(($_.TimeCreated - $at).TotalSeconds) -le 5 }).Count -eq 0
} | Select-Object -First 1

function Get-BootEvent {
    # The Kernel-Boot event of the running kernel's start, $null where there is none.
    param([int]$Id)
    if ($null -eq $mark) { return $null }
    Get-LogEvent 'System' $kernelBoot $Id | Where-Object {
        $away = ($_.TimeCreated - $mark.TimeCreated).TotalSeconds
        $away -ge -1 -and $away -le 120
    } | Select-Object -First 1
}

# --- against event 100, data by name ---
$log = 'Microsoft-Windows-Diagnostics-Performance/Operational'
$diagnostics = 'Microsoft-Windows-Diagnostics-Performance'
$event100 = Get-LogEvent $log $diagnostics 100 1
$told = $boot -and (Get-Part $boot @('source')) -like '*event 100*'
if ($event100 -and $told) {
    $data = Get-EventData $event100
    $phases = @(Get-Part $boot @('phases') | Where-Object { $_ })
    $counted = @($phases | Where-Object { Get-Part $_ @('counted') })
    $outside = 'firmware', 'loader'
    $within = Get-Sum @($counted | Where-Object { $outside -notcontains $_.name }) 'seconds'
    $before = Get-Sum @($counted | Where-Object { $outside -contains $_.name }) 'seconds'
    if ($null -eq $before) { $before = 0 }
    $usable = Get-Part $boot @('usable_seconds')
    $epoch = New-Object DateTime(1970, 1, 1, 0, 0, 0, [System.DateTimeKind]::Utc)
    Add-Row 'startup: began (the kernel)' ((Get-Part $boot @('started_at')) + $before) {
        ((Get-Instant $data['BootStartTime']) - $epoch).TotalSeconds
    } 5
    Add-Row 'startup: BootTime' $within { [double]$data['BootTime'] / 1000 } 0.005
    Add-Row 'startup: MainPathBootTime' $(if ($null -ne $usable) { $usable - $before }) { [double]$data['MainPathBootTime'] / 1000 } 0.005
    foreach ($pair in @(@('post_boot', 'BootPostBootTime'), @('user_profile', 'BootUserProfileProcessingTime'),
            @('machine_profile', 'BootMachineProfileProcessingTime'), @('explorer_init', 'BootExplorerInitTime'),
            @('session_init', 'BootSmssInitTime'), @('kernel', 'OtherKernelInitDuration'),
            @('kernel_init', 'BootKernelInitTime'), @('driver_init', 'BootDriverInitTime'),
            @('device_init', 'BootDevicesInitTime'), @('critical_services', 'BootCriticalServicesInitTime'),
            @('read_ahead', 'BootPrefetchInitTime'))) {
        # What took no time is left out by the agent, where it lies within another phase.
        Add-Row "startup: $($pair[1])" (Get-PhaseTime $boot $pair[0]) {
            if ([double]$data[$pair[1]] -gt 0) { [double]$data[$pair[1]] / 1000 }
        } 0.005
    }
    Add-Row 'startup: the four identities' (Get-Part $boot @('quality')) {
        $value = @{}
        foreach ($name in $data.Keys) { if ($data[$name] -match '^\d+$') { $value[$name] = [long]$data[$name] } }
        $off = @(
            [math]::Abs($value['BootTime'] - $value['MainPathBootTime'] - $value['BootPostBootTime'])
            [math]::Abs($value['MainPathBootTime'] - $value['WinLogonStartTimeMS'] - $value['BootMachineProfileProcessingTime'] -
                $value['BootUserProfileProcessingTime'] - $value['BootExplorerInitTime'] - $value['OtherLogonInitActivityDuration'])
            [math]::Abs($value['WinLogonStartTimeMS'] - $value['SessionInitStartTimeMS'] - $value['BootSmssInitTime'])
            [math]::Abs($value['BootSmssInitTime'] - $value['Session0InitDuration'] - $value['Session1InitDuration'] - $value['SessionInitOtherDuration'])
        )
        if ($off[0] -le 0 -and $off[1] -le 3 -and $off[2] -le 1 -and $off[3] -le 2) { 'measured' } else { 'suspect' }
    }
    Add-Eye 'startup: event 100, number of fields (44 on Windows 7 and later)' $null $data.Count

    # --- what it blames: times only, as names may be a person's programs ---
    $blamed = @(Get-LogEvent $log $diagnostics (101..110) 128 | Where-Object { $_.ActivityId -eq $event100.ActivityId } |
            ForEach-Object {
                $each = Get-EventData $_
                [pscustomobject]@{ Id = $_.Id; Total = [double]$each['TotalTime'] / 1000; Degradation = [double]$each['DegradationTime'] / 1000 }
            } | Sort-Object Total -Descending)
    $factors = @(Get-Part $boot @('factors') | Where-Object {
            $_ -and $_.kind -ne 'shutdown' -and $null -ne (Get-Part $_ @('degradation_seconds'))
        } | Sort-Object { Get-Part $_ @('seconds') } -Descending)
    Add-Row 'startup: longest factor, TotalTime' $(if ($factors.Count) { Get-Part $factors[0] @('seconds') }) { if ($blamed.Count) { $blamed[0].Total } } 0.001
    Add-Row 'startup: longest factor, DegradationTime' $(if ($factors.Count) { $factors[0].degradation_seconds }) { if ($blamed.Count) { $blamed[0].Degradation } } 0.001
    $ours = @($factors | Select-Object -First 10 | ForEach-Object { "$($_.kind) $(Get-Part $_ @('seconds'))" }) -join ', '
    $theirs = @($blamed | Select-Object -First 10 | ForEach-Object { "$($_.Id) $($_.Total)" }) -join ', '
    Add-Eye 'startup: factors (of one category the agent keeps the longest)' $ours $theirs
} else {
    $rows.Add([pscustomobject]@{ Check = 'startup: event 100'; Agent = [bool]$told; Windows = [bool]$event100; Verdict = 'not comparable' })
    $services = if ($mark) {
        Get-LogEvent 'System' 'EventLog' 6005 | Where-Object { $_.TimeCreated -ge $mark.TimeCreated } | Sort-Object TimeCreated | Select-Object -First 1
    }
    Add-Row 'startup: until the event log service' (Get-PhaseTime $boot 'until_services') {
        if ($services) { ($services.TimeCreated.ToUniversalTime() - (Get-Instant (Get-EventData $mark)['StartTime'])).TotalSeconds }
    } 0.005
}

# --- machine policy at the start, GroupPolicy 4000 to 8000 of one activity ---
$policyLog = 'Microsoft-Windows-GroupPolicy/Operational'
$policyProvider = 'Microsoft-Windows-GroupPolicy'
$machine = if ($mark) {
    Get-LogEvent $policyLog $policyProvider 4000 | Where-Object { $_.TimeCreated -ge $mark.TimeCreated } |
        Sort-Object TimeCreated | Select-Object -First 1
}
$machineFactor = @(Get-Part $boot @('factors') | Where-Object { $_ -and $_.kind -eq 'policy' -and $_.name -like 'machine policy*' })
Add-Row 'startup: machine policy (differs where event 107 stands for it)' $(if ($machineFactor.Count) { $machineFactor[0].seconds }) {
    if ($machine) {
        Get-Span $machine (Get-LogEvent $policyLog $policyProvider @(6000, 7000, 8000) 64 |
                Where-Object { $_.ActivityId -eq $machine.ActivityId } | Select-Object -First 1)
    }
} 0.002

# --- firmware and loader of the same start, Kernel-Boot 30 and 32 in the System log ---
$event30 = Get-BootEvent 30
$event32 = Get-BootEvent 32
if ($event30) {
    $data = Get-EventData $event30
    $prompt = if ($event32) { [double](Get-EventData $event32)['BitlockerUserInputTime'] } else { 0 }
    Add-Row 'startup: firmware' (Get-PhaseTime $boot 'firmware') { ([double]$data['StartOSImageStart'] - [double]$data['ResetEndStart']) / 1000 } 0.005
    Add-Row 'startup: loader' (Get-PhaseTime $boot 'loader') { ([double]$data['ExitBootServicesExit'] - [double]$data['StartOSImageStart'] - $prompt) / 1000 } 0.005
    Add-Row 'startup: disk_unlock_wait' (Get-PhaseTime $boot 'disk_unlock_wait') { if ($prompt -gt 0) { $prompt / 1000 } } 0.005
}

# --- kind: the signs in the System log, of which only numbers are shown ---
if ($mark) {
    $type = Get-BootEvent 27
    $last = Get-LogEvent 'System' 'Microsoft-Windows-Kernel-Power' 109 | Where-Object { $_.TimeCreated -le $mark.TimeCreated } | Select-Object -First 1
    $crash = Get-LogEvent 'System' 'Microsoft-Windows-Kernel-Power' 41 | Where-Object { $_.TimeCreated -ge $mark.TimeCreated } | Select-Object -Last 1
    $asked = Get-LogEvent 'System' 'User32' 1074 | Where-Object { $_.TimeCreated -le $mark.TimeCreated } | Select-Object -First 1
    $signs = @(
        if ($type) { "BootType $((Get-EventData $type)['BootType'])" }
        if ($last) { "109 action $((Get-EventData $last)['ShutdownActionType']) (4, 6 cold; 5 restart)" }
        if ($crash) { "41 stop code $((Get-EventData $crash)['BugcheckCode'])" }
        if ($asked) { "1074 reason $((Get-EventData $asked)['param4'])" }
    ) -join ', '
    Add-Eye 'startup: kind (and what was really done)' (Get-Part $boot @('kind')) $signs
}

# --- the shutdown before, event 200: written after this start ---
$event200 = Get-LogEvent $log $diagnostics 200 1
if ($event200 -and $mark -and $event200.TimeCreated -ge $mark.TimeCreated) {
    $data = Get-EventData $event200
    Add-Row 'startup: shutdown before, ShutdownTime' (Get-Part $boot @('shutdown_seconds')) { [double]$data['ShutdownTime'] / 1000 } 0.005
}

# --- the latest wake, Power-Troubleshooter 1 ---
$event1 = Get-LogEvent 'System' 'Microsoft-Windows-Power-Troubleshooter' 1 1
if ($event1 -and $mark -and $event1.TimeCreated -ge $mark.TimeCreated) {
    $data = Get-EventData $event1
    foreach ($pair in @(@('firmware', 'BiosInitDuration'), @('hibernation_read', 'HiberReadDuration'), @('resume', 'WakeDuration'))) {
        Add-Row "wake: $($pair[1])" (Get-PhaseTime $wake $pair[0]) { if ([double]$data[$pair[1]] -gt 0) { [double]$data[$pair[1]] / 1000 } } 0.005
    }
    Add-Eye 'wake: kind (and what was really done)' (Get-Part $wake @('kind')) "TargetState $($data['TargetState']), EffectiveState $($data['EffectiveState'])"
}

# --- the latest sign-in: each part by its first and last event; unlocking has no profile event ---
$signin = Get-Part $report @('signins') | Where-Object { $_ } | Select-Object -Last 1
$profileLog = 'Microsoft-Windows-User Profile Service/Operational'
$profileProvider = 'Microsoft-Windows-User Profiles Service'
$loaded = Get-LogEvent $profileLog $profileProvider 1 | Where-Object { (Get-EventData $_)['Session'] -ne '0' } | Select-Object -First 1
if ($loaded) {
    $session = (Get-EventData $loaded)['Session']
    $ready = Get-LogEvent $profileLog $profileProvider 2 | Where-Object {
        $_.TimeCreated -ge $loaded.TimeCreated -and (Get-EventData $_)['Session'] -eq $session
    } | Select-Object -Last 1
    $winlogonLog = 'Microsoft-Windows-Winlogon/Operational'
    $entered = Get-LogEvent $winlogonLog 'Microsoft-Windows-Winlogon' 1 64 | Where-Object { $_.TimeCreated -le $loaded.TimeCreated } | Select-Object -First 1
    if ($entered -and (Get-Span $entered $loaded) -gt 120) { $entered = $null }
    $accepted = if ($entered) {
        Get-LogEvent $winlogonLog 'Microsoft-Windows-Winlogon' 2 64 | Where-Object {
            $_.TimeCreated -ge $entered.TimeCreated -and $_.TimeCreated -le $loaded.TimeCreated
        } | Select-Object -Last 1
    }
    $first = if ($entered) { $entered } else { $loaded }
    $user = Get-LogEvent $policyLog $policyProvider 4001 | Where-Object {
        $_.TimeCreated -ge $first.TimeCreated -and (Get-Span $loaded $_) -le 300
    } | Select-Object -Last 1
    $applied = if ($user) {
        Get-LogEvent $policyLog $policyProvider @(6001, 7001, 8001) 64 | Where-Object { $_.ActivityId -eq $user.ActivityId } | Select-Object -First 1
    }
    $shell = @(Get-LogEvent 'Microsoft-Windows-Shell-Core/Operational' 'Microsoft-Windows-Shell-Core' @(9705, 9706, 62170, 62171) 256 | Where-Object {
            $_.TimeCreated -ge $loaded.TimeCreated -and (Get-Span $loaded $_) -le 900
        } | Sort-Object TimeCreated)
    $opened = $shell | Where-Object { $_.Id -in 9705, 62170 } | Select-Object -First 1
    $done = $shell | Where-Object { $_.Id -in 9706, 62171 } | Select-Object -Last 1
    $asking = Get-PhaseTime $signin 'sign_in_prompt'
    if ($null -eq $asking) { $asking = 0 }
    Add-Row 'signin: authentication (Winlogon 1 to 2)' (Get-PhaseTime $signin 'authentication') { Get-Span $entered $accepted } 0.002
    Add-Row 'signin: user_profile (1 to 2)' (Get-PhaseTime $signin 'user_profile') { Get-Span $loaded $ready } 0.002
    $waited = Get-PhaseTime $signin 'policy'
    if ($null -eq $waited) { $waited = Get-PhaseTime $signin 'policy_beside' }
    Add-Row 'signin: policy (4001 to 8001; shorter where it overlaps the profile)' $waited { Get-Span $user $applied } 0.002
    Add-Row 'signin: usable (to the first of 9705, 62170)' (Get-Part $signin @('usable_seconds')) { if ($opened) { (Get-Span $first $opened) - $asking } } 0.002
    Add-Row 'signin: total (to the last of 9706, 62171)' (Get-Part $signin @('total_seconds')) { if ($done) { (Get-Span $first $done) - $asking } } 0.002
}

$rows | Format-Table -AutoSize -Wrap
$differing = @($rows | Where-Object Verdict -EQ 'DIFFERS').Count
"$($rows.Count) checks, $differing differ."
if ($Out) { $rows | ConvertTo-Json -Depth 3 | Set-Content -Path $Out -Encoding UTF8 }
exit [int]($differing -gt 0)
