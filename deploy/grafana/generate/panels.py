"""Panels, in one look. Every panel has a title, a description and a unit."""

from dashboard import DATASOURCE

OK, MINOR, MAJOR, CRITICAL, UNKNOWN = "green", "yellow", "orange", "red", "#7b8087"
REFERENCE, CURRENT = "#8e9aaf", "#3d85f5"

# What a figure of an alert's severity, or of a drift, reads as.
ALERT_STATES = {0: ("OK", OK), 1: ("Minor", MINOR), 2: ("Major", MAJOR), 3: ("Critical", CRITICAL), 4: ("Stale", UNKNOWN)}
VERDICTS = {0: ("Stable", OK), 1: ("Drifted", MAJOR), 2: ("Drifted much", CRITICAL)}


def target(expr, legend="", *, ref="A", instant=False, table=False, heatmap=False):
    form = "table" if table else "heatmap" if heatmap else "time_series"
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expr,
        "legendFormat": legend or "__auto",
        "format": form,
        "instant": instant,
        "range": not instant,
    }


def targets(*pairs, instant=False, table=False):
    """Queries by their legends."""
    return [
        target(expr, legend, ref=chr(ord("A") + position), instant=instant, table=table)
        for position, (expr, legend) in enumerate(pairs)
    ]


def thresholds(*steps, base=OK):
    """`(value, colour)` from low to high; below the first it is `base`."""
    return {
        "mode": "absolute",
        "steps": [{"color": base, "value": None}, *({"color": colour, "value": value} for value, colour in steps)],
    }


def states(mapping):
    """Numbers shown as coloured words."""
    options = {
        str(value): {"text": text, "color": colour, "index": position}
        for position, (value, (text, colour)) in enumerate(mapping.items())
    }
    return [{"type": "value", "options": options}]


def override(name, *properties, regexp=False):
    """Properties of the series or column of that name."""
    matcher = {"id": "byRegexp" if regexp else "byName", "options": name}
    return {"matcher": matcher, "properties": [{"id": key, "value": value} for key, value in properties]}


def fixed(colour):
    return ("color", {"mode": "fixed", "fixedColor": colour})


def _panel(kind, title, description, queries, defaults, options, *, overrides=(), transformations=(), interval=None):
    panel = {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
        "targets": queries,
    }
    if transformations:
        panel["transformations"] = list(transformations)
    if interval:
        panel["interval"] = interval
    return panel


def _defaults(unit, *, low=None, high=None, decimals=None, steps=None, colour="palette-classic", mappings=()):
    defaults = {
        "unit": unit,
        "color": {"mode": colour},
        "mappings": list(mappings),
        "thresholds": steps or thresholds(),
    }
    for key, value in (("min", low), ("max", high), ("decimals", decimals)):
        if value is not None:
            defaults[key] = value
    return defaults


def stat(title, description, unit, expr, *, steps=None, decimals=None, mappings=(), graph=True, background=False, links=()):
    colour = "thresholds" if steps or mappings else "fixed"
    defaults = _defaults(unit, decimals=decimals, steps=steps, colour=colour, mappings=mappings)
    if colour == "fixed":
        defaults["color"]["fixedColor"] = "text"
    if links:
        defaults["links"] = list(links)
    options = {
        "colorMode": "background" if background else "value",
        "graphMode": "area" if graph else "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "value",
        "wideLayout": True,
        "showPercentChange": False,
    }
    return _panel("stat", title, description, [target(expr)], defaults, options)


def timeseries(
    title,
    description,
    unit,
    queries,
    *,
    low=None,
    high=None,
    decimals=None,
    steps=None,
    window=False,
    stacked=False,
    fill=8,
    legend="list",
    overrides=(),
):
    """Lines. A figure of windows (`window`) holds until the next one, so it is drawn as steps; thresholds become
    dashed lines."""
    defaults = _defaults(unit, low=low, high=high, decimals=decimals, steps=steps)
    defaults["custom"] = {
        "drawStyle": "line",
        "lineInterpolation": "stepAfter" if window else "linear",
        "lineWidth": 1,
        "fillOpacity": 40 if stacked else fill,
        "gradientMode": "none",
        "showPoints": "never",
        "pointSize": 4,
        "spanNulls": False,
        "insertNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "axisPlacement": "auto",
        "axisLabel": "",
        "axisColorMode": "text",
        "axisBorderShow": False,
        "axisCenteredZero": False,
        "scaleDistribution": {"type": "linear"},
        "barAlignment": 0,
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
        "thresholdsStyle": {"mode": "dashed" if steps else "off"},
    }
    shown = {"showLegend": True, "placement": "bottom", "displayMode": "list", "calcs": []}
    if legend == "table":
        shown |= {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"], "sortBy": "Last *", "sortDesc": True}
    options = {"legend": shown, "tooltip": {"mode": "multi", "sort": "desc"}}
    return _panel("timeseries", title, description, queries, defaults, options, overrides=overrides)


def state_timeline(title, description, queries, mapping, *, row_height=0.85):
    defaults = _defaults("short", colour="thresholds", mappings=states(mapping))
    defaults["custom"] = {
        "fillOpacity": 75,
        "lineWidth": 0,
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
    }
    options = {
        "alignValue": "left",
        "mergeValues": True,
        "rowHeight": row_height,
        "showValue": "never",
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return _panel("state-timeline", title, description, queries, defaults, options)


def heatmap(title, description, unit, expr):
    defaults = {"custom": {"hideFrom": {"legend": False, "tooltip": False, "viz": False}, "scaleDistribution": {"type": "linear"}}, "unit": unit}
    options = {
        "calculate": False,
        "cellGap": 1,
        "cellValues": {"unit": "reqps"},
        "color": {"mode": "scheme", "scheme": "Blues", "steps": 64, "exponent": 0.5, "reverse": False, "fill": "dark-blue", "scale": "exponential"},
        "filterValues": {"le": 1e-9},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "legend": {"show": False},
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
    }
    return _panel("heatmap", title, description, [target(expr, "{{le}}", heatmap=True)], defaults, options)


def bars(title, description, unit, queries, *, by, names, colours, order):
    """Bars of several figures side by side, one group for each value of the label `by`."""
    renamed = {f"Value #{query['refId']}": name for query, name in zip(queries, names)}
    transformations = [
        {"id": "joinByField", "options": {"byField": by, "mode": "outer"}},
        {"id": "organize", "options": {"renameByName": renamed, "indexByName": {by: 0}, "excludeByName": {"Time": True, "Time 1": True, "Time 2": True}}},
        {"id": "sortBy", "options": {"sort": [{"field": order, "desc": False}]}},
    ]
    defaults = _defaults(unit, low=0, decimals=0)
    defaults["custom"] = {
        "lineWidth": 0,
        "fillOpacity": 85,
        "gradientMode": "none",
        "axisPlacement": "auto",
        "axisLabel": "",
        "axisColorMode": "text",
        "axisBorderShow": False,
        "axisCenteredZero": False,
        "scaleDistribution": {"type": "linear"},
        "thresholdsStyle": {"mode": "off"},
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
    }
    options = {
        "orientation": "auto",
        "xField": by,
        "xTickLabelRotation": -30,
        "xTickLabelMaxLength": 26,
        "xTickLabelSpacing": 0,
        "showValue": "never",
        "stacking": "none",
        "groupWidth": 0.75,
        "barWidth": 0.95,
        "barRadius": 0,
        "fullHighlight": False,
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    overrides = [override(name, fixed(colour)) for name, colour in zip(names, colours)]
    return _panel("barchart", title, description, queries, defaults, options, overrides=overrides, transformations=transformations)


class Column:
    """A column of a table: a label, or a query's figure."""

    def __init__(self, name, unit, *, expr=None, label=None, decimals=None, steps=None, mappings=(), width=None, gauge=None, background=False, links=()):
        self.name, self.unit, self.expr, self.label = name, unit, expr, label
        self.decimals, self.steps, self.mappings, self.width = decimals, steps, mappings, width
        self.gauge, self.background, self.links = gauge, background, links

    def override(self):
        properties = [("unit", self.unit)]
        if self.decimals is not None:
            properties.append(("decimals", self.decimals))
        if self.mappings:
            properties.append(("mappings", list(self.mappings)))
        if self.steps or self.mappings:
            properties += [("thresholds", self.steps or thresholds()), ("color", {"mode": "thresholds"})]
        if self.gauge:
            low, high = self.gauge
            cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
            properties += [("custom.cellOptions", cell), ("min", low), ("max", high)]
        elif self.background:
            properties.append(("custom.cellOptions", {"type": "color-background", "mode": "basic"}))
        elif self.steps:
            properties.append(("custom.cellOptions", {"type": "color-text"}))
        if self.width:
            properties.append(("custom.width", self.width))
        if self.links:
            properties.append(("links", list(self.links)))
        return override(self.name, *properties)


def table(title, description, columns, *, sort, descending=True):
    """One row for each set of the labels among `columns`, with the queries' figures beside them."""
    figures = [column for column in columns if column.expr]
    queries = targets(*((column.expr, "") for column in figures), instant=True, table=True)
    refs = {id(column): query["refId"] for column, query in zip(figures, queries)}
    raw = {column.label or f"Value #{refs[id(column)]}": (position, column.name) for position, column in enumerate(columns)}
    transformations = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "indexByName": {name: position for name, (position, _) in raw.items()},
                "renameByName": {name: shown for name, (_, shown) in raw.items()},
            },
        },
        {"id": "sortBy", "options": {"sort": [{"field": sort, "desc": descending}]}},
    ]
    defaults = _defaults("short", colour="thresholds")
    defaults["custom"] = {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False, "inspect": False}
    options = {
        "showHeader": True,
        "cellHeight": "sm",
        "sortBy": [{"displayName": sort, "desc": descending}],
        "footer": {"show": False, "reducer": ["sum"], "countRows": False, "fields": []},
    }
    overrides = [column.override() for column in columns]
    return _panel("table", title, description, queries, defaults, options, overrides=overrides, transformations=transformations)
