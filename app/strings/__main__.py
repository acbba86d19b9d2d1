"""Bring `zh.po` up to date with the code: new sentences come in empty, unused ones go."""

from app.strings.catalogue import update

if __name__ == "__main__":
    new, gone, empty = update()
    print(f"zh.po: {new} new, {gone} gone, {empty} without a translation")
