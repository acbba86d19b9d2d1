"""An installation as one file, taken while it is at work, and put back elsewhere."""

from app.services.backup.archive import LeftOut, Manifest
from app.services.backup.restoring import RestoreReport, restore_backup
from app.services.backup.writing import BackupReport, write_backup

__all__ = ["BackupReport", "LeftOut", "Manifest", "RestoreReport", "restore_backup", "write_backup"]
