"""A dashboard: variables, annotations, and panels laid out in rows."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24


def datasource_variable():
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "current": {"selected": False, "text": "Prometheus", "value": "prometheus"},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
    }


def query_variable(name, label, query, *, multi=False, all_value=None, regex="", sort=1):
    """Values that the data source knows. With `all_value` there is a choice of all, which is the default."""
    include_all = all_value is not None
    variable = {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": "StandardVariableQuery"},
        "refresh": 2,
        "regex": regex,
        "sort": sort,
        "multi": multi,
        "includeAll": include_all,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]} if include_all else {},
        "hide": 0,
        "options": [],
        "skipUrlSync": False,
    }
    if include_all:
        variable["allValue"] = all_value
    return variable


def choice_variable(name, label, choices):
    """Fixed choices, pairs of value and text; the first is the default."""
    options = [
        {"selected": position == 0, "text": text, "value": value}
        for position, (value, text) in enumerate(choices)
    ]
    return {
        "type": "custom",
        "name": name,
        "label": label,
        "query": ",".join(f"{text} : {value}" for value, text in choices),
        "options": options,
        "current": {"selected": True, "text": choices[0][1], "value": choices[0][0]},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "skipUrlSync": False,
    }


def job_and_instance(metric, job="Job", instance="Instance"):
    return [
        query_variable("job", job, f"label_values({metric}, job)", multi=True, all_value=".+"),
        query_variable(
            "instance",
            instance,
            f'label_values({metric}{{job=~"$job"}}, instance)',
            multi=True,
            all_value=".+",
        ),
    ]


def annotation(name, expr, colour, *, title, text="", tags="", time_is_value=False):
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "expr": expr,
        "step": "60s",
        "titleFormat": title,
        "textFormat": text,
        "tagKeys": tags,
        "useValueForTime": time_is_value,
    }


def link(title, uid, *, variables=("datasource",), icon="dashboard"):
    """A link to another dashboard in its head, which keeps the time range."""
    kept = "&".join(f"${{{name}:queryparam}}" for name in variables)
    return {
        "title": title,
        "type": "link",
        "icon": icon,
        "url": f"/d/{uid}?{kept}",
        "keepTime": True,
        "includeVars": False,
        "asDropdown": False,
        "targetBlank": False,
        "tags": [],
        "tooltip": "",
    }


class Layout:
    """Puts panels side by side, and below each other where a row is full. Numbers them."""

    def __init__(self):
        self.panels = []
        self._x = self._y = self._height = 0

    def _break(self):
        self._x, self._y, self._height = 0, self._y + self._height, 0

    def row(self, title):
        self._break()
        self._put({"type": "row", "title": title, "collapsed": False, "panels": []}, COLUMNS, 1)
        self._break()

    def add(self, panel, width, height):
        if self._x + width > COLUMNS:
            self._break()
        self._put(panel, width, height)

    def _put(self, panel, width, height):
        position = {"h": height, "w": width, "x": self._x, "y": self._y}
        self.panels.append({"id": len(self.panels) + 1, **panel, "gridPos": position})
        self._x += width
        self._height = max(self._height, height)


def as_json(uid, title, description, layout, *, variables, annotations=(), links=(), time, refresh="30s"):
    return {
        "id": None,
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["driftline"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "weekStart": "",
        "timezone": "browser",
        "time": {"from": time, "to": "now"},
        "timepicker": {},
        "refresh": refresh,
        "annotations": {"list": list(annotations)},
        "links": list(links),
        "templating": {"list": [datasource_variable(), *variables]},
        "panels": layout.panels,
    }
