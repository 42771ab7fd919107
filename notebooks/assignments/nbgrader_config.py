"""The course as nbgrader takes it: run its commands in this folder."""

c = get_config()  # noqa: F821 -- nbgrader hands it in
c.CourseDirectory.course_id = "convviz"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError()"}
c.ExecutePreprocessor.timeout = 120  # seconds a cell; each notebook takes some seconds
