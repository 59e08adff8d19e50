project = "A site with figures"
html_theme = "furo"
html_static_path = ["_static"]
html_js_files = [("kafka-guarantees/embed.js", {"type": "module"})]
