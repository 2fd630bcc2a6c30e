"""What can be set, and what is told, of raw files: names, folders, limits, and what is done on errors."""

from __future__ import annotations

from pixieioc.pipeline import Parameter, Report
from pixieioc.tasks import file_errors
from pixieioc.tasks.complete_files import files_complete, run_files
from pixieioc.tasks.raw_names import check_folder, check_name, check_template


class FileSettings:
    """Declarations only; who writes the files follows them."""

    auto_save = Parameter(False, shared=True, section="files", doc="Whether raw files are written.")
    file_path = Parameter(
        "data/", shared=True, section="files", path=True, rule=check_folder, doc="Folder of the raw files."
    )
    file_name = Parameter(
        "pixie16", shared=True, section="files", rule=check_name, doc="First part of the raw files' names."
    )
    file_number = Parameter(1, low=0, shared=True, section="files", doc="Number of the next raw file.")
    auto_increment = Parameter(
        True, shared=True, section="files", doc="Whether the number counts up after a run that was saved."
    )
    file_template = Parameter(
        "%s%s_%3.3d_run%6.6d_mod%2.2d.bin",
        shared=True,
        section="files",
        rule=check_template,
        doc="printf template of the full name: path, name, number, run id, module.",
    )
    create_directory = Parameter(
        0,
        low=-99,
        high=99,
        named={"No": 0, "Yes": 1},
        shared=True,
        section="files",
        doc="Which levels of the folder are made if they do not exist, as in areaDetector: No (0) none, Yes (1) all, "
        "n all but the first n - 1, -n at most n.",
    )
    file_size_limit = file_errors.size_limit(shared=True, section="files")
    file_time_limit = file_errors.time_limit(shared=True, section="files")
    on_write_error = file_errors.on_write_error(shared=True, section="files")
    second_file_path = file_errors.second_file_path(shared=True, section="files")

    bytes_written = Report(
        0, unit="B", doc="Bytes written to raw files in this run.", shared=True, section="files", pv="BytesWritten_RBV"
    )
    write_rate = Report(0.0, unit="MB/s", doc="Write rate.", shared=True, section="files", pv="WriteRate_RBV")
    write_status = file_errors.write_status("raw data", "FilePath", shared=True, section="files", pv="WriteStatus_RBV")
    write_message = file_errors.write_message(shared=True, section="files", pv="WriteMessage_RBV")
    full_file_name = Report(
        "", doc="The raw file that is or was written last.", shared=True, section="files", pv="FullFileName_RBV"
    )
    run_files = run_files(shared=True, section="files", pv="RunFiles_RBV")
    files_complete = files_complete(shared=True, section="files", pv="FilesComplete_RBV")
    unfinished_files = Report(
        "",
        doc="Raw files in the folder that were cut off, as by a power cut or a full disk: pixieioc recover finishes "
        "them.",
        shared=True,
        section="files",
        pv="UnfinishedFiles_RBV",
    )
