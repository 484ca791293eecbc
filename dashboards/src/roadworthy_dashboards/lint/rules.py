"""Every rule by its name, what to do when it is broken, and whose rule it follows.

`like` names the rule of grafana/dashboard-linter or the check of cloudflare/pint that asks for the same. A rule of
ours may be stricter: theirs look at five kinds of panel, these at all that show values.
"""

from __future__ import annotations

from roadworthy_dashboards.lint import across, of_boards, of_columns, of_panels, of_queries, of_rules
from roadworthy_dashboards.lint.board import Board
from roadworthy_dashboards.lint.context import Rule
from roadworthy_dashboards.lint.rule_files import RuleFile

_SEE_METRICS = "use a name of docs/metrics.md or of rules/recording.yaml"
_SEE_VALUES = "use a value of lint/vocabulary.py"
_SEE_LABELS = "use a label docs/metrics.md names, and keep it in by (...)"

BOARD_RULES: tuple[Rule[Board], ...] = (
    Rule("classic-schema", of_boards.classic, "render it with the classic dashboard builder"),
    Rule(
        "board-identity",
        of_boards.identity,
        "give it a title and a uid of at most 40 letters, digits, - and _",
    ),
    Rule("board-audience", of_boards.audience, "use a tag of links.AUDIENCES"),
    Rule("uneditable", of_boards.uneditable, "build it with readonly()", "uneditable-dashboard"),
    Rule(
        "template-datasource",
        of_boards.template_datasource,
        "have one variable `datasource` of the kind prometheus, labelled `Data source`",
        "template-datasource-rule",
    ),
    Rule("template-job", of_boards.template_job, "take it from variables.job()", "template-job-rule"),
    Rule(
        "template-instance",
        of_boards.template_instance,
        "have a query variable `instance`, or say in exclusions.toml why not",
        "template-instance-rule",
    ),
    Rule(
        "template-label-promql",
        of_boards.template_label_promql,
        "ask label_values(series, label) of a series there is",
        "template-label-promql-rule",
    ),
    Rule(
        "template-reload",
        of_boards.template_reload,
        "set refresh to ON_TIME_RANGE_CHANGED",
        "template-on-time-change-reload-rule",
    ),
    Rule("variable-unused", of_boards.variable_unused, "use it, or leave it out"),
    Rule("variable-undefined", of_boards.variable_undefined, "define it, or write what is meant"),
    Rule("panel-datasource", of_panels.panel_datasource, "use ${datasource}", "panel-datasource-rule"),
    Rule(
        "panel-title-description",
        of_panels.panel_title_description,
        "say what the panel shows and over what",
        "panel-title-description-rule",
    ),
    Rule(
        "description-sentence",
        of_panels.description_sentence,
        "write whole sentences, each with its capital and its full stop",
    ),
    Rule("panel-unit", of_panels.panel_units, "use one of Grafana's units", "panel-units-rule"),
    Rule("panel-targets", of_panels.panel_targets, "give it a query", "panel-no-targets-rule"),
    Rule("panel-thresholds", of_panels.panel_thresholds, "take the levels from thresholds.py"),
    Rule("panel-kind", of_panels.panel_kind, "use a panel Grafana brings along"),
    Rule("panel-transformation", of_panels.panel_transformations, "use one of Grafana's transformations"),
    Rule("columns-named", of_columns.columns_named, "name columns as they are called before that step"),
    Rule("columns-joined", of_columns.columns_joined, "keep the same labels in every query, and merge them"),
    Rule("columns-shown", of_columns.columns_shown, "name columns as they are called after the last step"),
    Rule("columns-raw", of_columns.columns_raw, "give it a title in organize, or hide it"),
    Rule("panel-id", of_panels.panel_ids, "let board() number the panels"),
    Rule(
        "panel-reference",
        of_panels.panel_reference,
        "name the id of a panel of this board",
        "target-promql-rule",
    ),
    Rule("target-promql", of_queries.target_promql, "correct the query", "target-promql-rule"),
    Rule("target-logql", of_queries.target_logql, "ask Prometheus", "target-logql-rule"),
    Rule("target-logql-auto", of_queries.target_logql_auto, "use $__rate_interval", "target-logql-auto-rule"),
    Rule(
        "target-rate-interval",
        of_queries.target_rate_interval,
        "use [$__rate_interval], or increase for a fixed span",
        "target-rate-interval-rule",
    ),
    Rule("target-job", of_queries.target_job, 'add job=~"$job"', "target-job-rule"),
    Rule("target-instance", of_queries.target_instance, 'add instance=~"$instance"', "target-instance-rule"),
    Rule(
        "target-counter",
        of_queries.target_counter,
        "put it inside rate or increase",
        "target-counter-agg-rule",
    ),
    Rule("unknown-metric", of_queries.unknown_metric, _SEE_METRICS),
    Rule("unknown-label", of_queries.unknown_label, _SEE_LABELS),
    Rule("unknown-value", of_queries.unknown_value, _SEE_VALUES),
    Rule("target-gauge", of_queries.target_gauge, "use delta or deriv, or a counter"),
    Rule("range-limit", of_queries.range_limit, "read a gauge of the year or month, or a recorded series"),
    Rule(
        "device-series", of_queries.device_series, "use the series by site, unit, model or operating system"
    ),
    Rule("yearly-instant", of_queries.yearly_instant, "make the query instant"),
    Rule("needless-regex", of_queries.needless_regex, "use = or !=", "promql/regexp"),
    Rule("ratio-guard", of_queries.ratio_guard, "divide by (... > 0)", "promql/nan"),
    Rule("duplicate-uid", across.duplicate_uid, "give each board a uid of its own"),
    Rule("duplicate-title", across.duplicate_title, "give each board a title of its own"),
    Rule("link-target", across.link_target, "make links with links.py"),
)

FILE_RULES: tuple[Rule[RuleFile], ...] = (
    Rule("rule-keys", of_rules.rule_keys, "put the key where Prometheus looks for it"),
    Rule("group-interval", of_rules.group_interval, "set interval to at most 5m", "group/interval"),
    Rule("rule-promql", of_rules.rule_promql, "correct the query", "promql/syntax"),
    Rule("rule-metric", of_rules.rule_metric, _SEE_METRICS, "promql/series"),
    Rule("rule-label", of_rules.rule_label, _SEE_LABELS, "promql/vector_matching"),
    Rule("rule-counter", of_rules.rule_counter, "put it inside rate or increase", "promql/counter"),
    Rule("rule-value", of_rules.rule_value, _SEE_VALUES),
    Rule("rule-gauge", of_rules.rule_gauge, "use delta or deriv, or a counter", "promql/rate"),
    Rule("rule-range", of_rules.rule_range, "read a gauge of the collector's", "promql/range_query"),
    Rule("rule-device", of_rules.rule_device, "use the series by site, unit, model or operating system"),
    Rule("rule-regex", of_rules.rule_regex, "use = or !=", "promql/regexp"),
    Rule("rule-ratio", of_rules.rule_ratio, "divide by (... > 0)", "promql/nan"),
    Rule("rule-twice", of_rules.rule_twice, "keep one of them", "rule/duplicate"),
    Rule("record-name", of_rules.record_name, "call it level:metric:operations"),
    Rule("alert-name", of_rules.alert_name, "write `alert: CamelCase`, without quotes"),
    Rule("alert-for", of_rules.alert_for, "say how long it must hold, and how long it stays", "alerts/for"),
    Rule("alert-labels", of_rules.alert_labels, "label it with severity and audience only", "rule/label"),
    Rule("alert-annotations", of_rules.alert_annotations, "write it", "alerts/annotation"),
    Rule("alert-template", of_rules.alert_template, "name a label the query keeps", "alerts/template"),
    Rule("alert-comparison", of_rules.alert_comparison, "compare with a threshold", "alerts/comparison"),
    Rule("alert-fragile", of_rules.alert_fragile, "compare with a threshold instead", "promql/fragile"),
    Rule("alert-runbook", of_rules.alert_runbook, "write runbooks/<AlertName>.md with its four headings"),
)
