"""The page around the screens of a phone: it gives them the width of the phone, which the web client does not."""

from __future__ import annotations

from pixieioc.export.phone.sheet import WIDTH

#: The width in pixels of what a phone shows, and how much of the margin on the left of the client's own page is not.
PAGE_WIDTH, _CUT = WIDTH + 28, 10


def page() -> str:
    """The file's text.

    The client is beside the folder of the page, which has the display files, too. The page's address can name another
    folder of them, and another prefix: ?screens=file:/...&P=PREFIX.
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<title>pixieioc</title>
<link rel="icon" href="data:,">
<meta name="viewport" content="width={PAGE_WIDTH}">
<style>
html, body {{ margin: 0; height: 100%; overflow: hidden; }}
iframe {{ display: block; border: 0; width: {PAGE_WIDTH + _CUT}px; height: 100%; margin-left: -{_CUT}px; }}
</style>
</head>
<body>
<iframe id="screen" title="Screens of pixieioc"></iframe>
<script>
const given = new URLSearchParams(location.search);
const screens = given.get("screens") ?? new URL(".", location.href).href;
const macros = given.has("P") ? {{ P: given.get("P") }} : {{}};
const display = screens.replace(/\\/*$/, "/") + "run.bob";
const asked = new URLSearchParams({{ display, macros: JSON.stringify(macros) }});
document.getElementById("screen").src = "../dbwr/view.jsp?" + asked;
</script>
</body>
</html>
"""
