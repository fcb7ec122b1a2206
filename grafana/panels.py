"""What the dashboards are made of, by grafana-foundation-sdk: targets, panels, variables, boards.

The SDK knows no queries of InfluxDB; those are the few keys that Grafana's own editor writes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Grafana 12 provisions no other form
    from grafana_foundation_sdk.builders import dashboard as boards
from grafana_foundation_sdk.builders import (
    common,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from reader.detection.findings import RANK

INFLUXDB = options.DataSourceRef(type_val="influxdb", uid="spindle-influxdb")
PROMETHEUS = options.DataSourceRef(type_val="prometheus", uid="spindle-prometheus")
GREEN, YELLOW, ORANGE, RED, BLUE = "green", "yellow", "orange", "red", "blue"
UNKNOWN = "unknown"  # what Prometheus says nothing of is not 0
NEEDS_INFLUXDB = (
    "No data in this time. This comes from InfluxDB: with SQLite as the store (STORE_URL) Grafana "
    "cannot read it, and Spindle's own page shows it."
)
#: Longer than between two readings of SMART or two verdicts: so far apart points are one line.
_GAP_MS = 2_700_000
Steps = Sequence[tuple[float | None, str]]
Target: TypeAlias = "_Influxql | prometheus.Dataquery"


class _Influxql(Builder[Dataquery]):
    """A query to InfluxDB as it is written."""

    def __init__(self, **keys: object) -> None:
        self._keys = {"datasource": INFLUXDB.to_json(), **keys}

    def ref_id(self, name: str) -> None:
        self._keys["refId"] = name

    def build(self) -> Dataquery:
        return UnknownDataquery(self._keys)


def influxql(query: str, alias: str = "", *, table: bool = False) -> Target:
    """A query to InfluxDB; ``alias`` may name tags as ``$tag_x``, and the column as ``$col``."""
    form = "table" if table else "time_series"
    return _Influxql(query=query, rawQuery=True, alias=alias, resultFormat=form)


def promql(expression: str, legend: str = "", *, now: bool = False, table: bool = False) -> Target:
    """A query to Prometheus.

    :param now: of the end of the chosen time alone, so that what is over does not look as if.
    """
    target = prometheus.Dataquery().datasource(PROMETHEUS).expr(expression).legend_format(legend)
    if table:
        target.format(PromQueryFormat.TABLE)
    return target.instant() if now or table else target.range()


def _panel(made: Any, title: str, targets: Sequence[Target], width: int, description: str) -> Any:
    """What all kinds of panels have."""
    for place, target in enumerate(targets):
        target.ref_id(chr(ord("A") + place))
        made.with_target(target)
    influx = isinstance(targets[0], _Influxql)
    made.title(title).span(width).description(description)
    return made.datasource(INFLUXDB if influx else PROMETHEUS).no_value(
        NEEDS_INFLUXDB if influx else UNKNOWN
    )


def _thresholds(steps: Steps) -> boards.ThresholdsConfig:
    made = boards.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE)
    return made.steps([models.Threshold(value, colour) for value, colour in steps])


HEALTH_COLOURS = {"ok": GREEN, "unknown": "purple", "warning": ORANGE, "critical": RED}


def words(names: Mapping[float, tuple[str, str]]) -> models.ValueMap:
    """Numbers as words, each with a colour."""
    return models.ValueMap(
        {
            f"{number:g}": models.ValueMappingResult(text, colour, None, index)
            for index, (number, (text, colour)) in enumerate(names.items())
        }
    )


HEALTH = words({rank: (state, HEALTH_COLOURS[state]) for state, rank in RANK.items()})
UP = words({0: ("down", RED), 1: ("up", GREEN)})
WORKS = words({0: ("fails", RED), 1: ("works", GREEN)})


def number(
    title: str,
    target: Target,
    description: str,
    *,
    unit: str = "short",
    steps: Steps = ((None, GREEN),),
    mapping: models.ValueMap | None = None,
    width: int = 4,
) -> Any:
    """The value at the end of the chosen time; unknown where there is none."""
    made = stat.Panel().thresholds(_thresholds(steps)).unit(unit).height(4)
    made.graph_mode(options.BigValueGraphMode.NONE).color_mode(options.BigValueColorMode.VALUE)
    made.text_mode(options.BigValueTextMode.VALUE)
    made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    made.mappings([mapping] if mapping else [])
    return _panel(made, title, [target], width, description)


def lines(
    title: str,
    targets: Sequence[Target],
    width: int = 12,
    unit: str = "short",
    description: str = "",
    *,
    steps: Steps = ((None, GREEN),),
    bars: bool = False,
) -> Any:
    """A chart over time, its thresholds as dashed lines.

    Readings far apart are joined, and a point that stands alone is seen; of Prometheus, which
    knows when a service was away, a gap is a gap.
    """
    made = timeseries.Panel().thresholds(_thresholds(steps)).unit(unit).height(8)
    made.draw_style(options.GraphDrawStyle.BARS if bars else options.GraphDrawStyle.LINE)
    made.line_width(1).fill_opacity(60 if bars else 5)
    made.show_points(options.VisibilityMode.AUTO)
    if isinstance(targets[0], _Influxql) and not bars:
        made.span_nulls(_GAP_MS)
    if bars:
        made.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A"))
    dashed = options.GraphThresholdsStyleMode.DASHED if len(steps) > 1 else None
    style = dashed or options.GraphThresholdsStyleMode.OFF
    made.thresholds_style(common.GraphThresholdsStyleConfig().mode(style))
    legend = common.VizLegendOptions().display_mode(options.LegendDisplayMode.TABLE)
    legend.placement(options.LegendPlacement.BOTTOM).show_legend(True)
    made.legend(legend.calcs(["lastNotNull", "max"]).sort_by("Max").sort_desc(True))
    tooltip = common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI)
    made.tooltip(tooltip.sort(options.SortOrder.DESCENDING))
    return _panel(made, title, targets, width, description)


def timeline(
    title: str, target: Target, mapping: models.ValueMap, width: int, description: str = ""
) -> Any:
    """A row for each series, coloured and named by its state."""
    made = statetimeline.Panel().height(8).mappings([mapping]).merge_values(True)
    made.show_value(options.VisibilityMode.AUTO).fill_opacity(80).row_height(0.8)
    if isinstance(target, _Influxql):
        made.span_nulls(_GAP_MS)
    return _panel(made, title, [target], width, description)


def rows(
    title: str,
    targets: Sequence[Target],
    width: int = 12,
    description: str = "",
    *,
    columns: Mapping[str, str] | None = None,
    sort: str = "",
    fields: Mapping[str, Sequence[tuple[str, object]]] | None = None,
) -> Any:
    """A table; rows of several queries about the same thing are one row.

    :param columns: those of the answer that are shown, in this order, and what they are called; all
        where it is not given.
    :param sort: a column; the highest first where ``-`` stands before it.
    :param fields: what else is set for a column.
    """
    made = table.Panel().height(8).show_header(True).filterable(True)
    if len(targets) > 1:
        made.with_transformation(models.DataTransformerConfig("merge", options={}))
    if columns:
        order = {name: place for place, name in enumerate(columns)}
        made.with_transformation(
            models.DataTransformerConfig(
                "filterFieldsByName", options={"include": {"names": list(columns)}}
            )
        ).with_transformation(
            models.DataTransformerConfig(
                "organize", options={"indexByName": order, "renameByName": dict(columns)}
            )
        )
    if sort:
        by = common.TableSortByFieldState().display_name(sort.removeprefix("-"))
        made.sort_by([by.desc(sort.startswith("-"))])
    for name, settings in (fields or {}).items():
        made.override_by_name(name, [models.DynamicConfigValue(*each) for each in settings])
    return _panel(made, title, targets, width, description)


def in_words(mapping: models.ValueMap) -> list[tuple[str, object]]:
    """For a column: its numbers as coloured words."""
    return [("mappings", [mapping]), ("custom.cellOptions", {"type": "color-text"})]


def link(title: str, url: str) -> list[tuple[str, object]]:
    """For a column: each value leads somewhere."""
    return [("links", [{"title": title, "url": url}])]


def variable(
    name: str,
    label: str,
    query: str,
    *,
    source: options.DataSourceRef = PROMETHEUS,
    several: bool = True,
    all_value: str | None = ".*",
) -> Any:
    """A choice of what InfluxDB or Prometheus knows, all at first where several may be chosen.

    :param all_value: what all of them are in a query; None for each by name.
    """
    asked: str | dict[str, object] = query
    if source is PROMETHEUS:
        asked = {"qryType": 1, "query": query, "refId": "Variable"}
    made = boards.QueryVariable(name).label(label).datasource(source).query(asked)
    made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(
        models.VariableSort.ALPHABETICAL_ASC
    )
    if several:
        made.multi(True).include_all(True).current(models.VariableOption(True, "All", ["$__all"]))
        if all_value is not None:
            made.all_value(all_value)
    return made


def choice(name: str, label: str, values: Mapping[str, str]) -> Any:
    """A choice of a few words, the first at first."""
    chosen = [models.VariableOption(not place, *each) for place, each in enumerate(values.items())]
    said = ", ".join(f"{text} : {value}" for text, value in values.items())
    return boards.CustomVariable(name).label(label).values(said).options(chosen).current(chosen[0])


def marks(name: str, query: str, colour: str) -> Any:
    """Annotations from InfluxDB: the row's time, and its column ``event_message``."""
    target = _Influxql(
        query=query,
        rawQuery=True,
        textEditor=True,
        fromAnnotations=True,
        textColumn="event_message",
        tagsColumn="event_type,device_id",
        name=name,
    )
    target.ref_id("Annotation")
    made = boards.AnnotationQuery().name(name).datasource(INFLUXDB).icon_color(colour)
    return made.enable(True).target(target)


Rows = Mapping[str, Sequence[Any]]


def board(
    uid: str,
    title: str,
    description: str,
    variables: Sequence[Any],
    panels: Rows,
    annotations: Sequence[Any] = (),
) -> models.Dashboard:
    """A dashboard of titled rows, each panel with a number of its own."""
    made = boards.Dashboard(title).uid(uid).description(description).tags(["spindle"])
    made.editable().refresh("10s").time("now-1h", "now").timezone("browser").version(1)
    made.tooltip(models.DashboardCursorSync.CROSSHAIR)
    made.link(
        boards.DashboardLink("Spindle")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags(["spindle"])
        .keep_time(True)
    )
    for each in variables:
        made.with_variable(each)
    for each in annotations:
        made.annotation(each)
    for name, several in panels.items():
        made.with_row(boards.Row(name))
        for panel in several:
            made.with_panel(panel)
    found = made.build()
    for place, each in enumerate(found.panels or (), 1):
        each.id_val = place
    return found


Make: TypeAlias = Callable[[], models.Dashboard]
