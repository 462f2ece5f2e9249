"""The demo in a browser, made with Streamlit. Importing this package loads nothing of it."""
