"""Students subscribe to courses, with the Python client of Sluice: rules over the events of several streams."""

import re
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sluice_eventstore import (
    AppendCondition,
    Client,
    EventQuery,
    NewEvent,
    QueryItem,
    RecordedEvent,
    connect,
    retry_on_condition,
)

COURSES_MAX = 3  # of each student
ATTEMPTS_MAX = 50  # many may want the last seat of a course at the same time
AT_A_TIME = 8  # lines that are under way

Decision = Callable[[Sequence[RecordedEvent], AppendCondition], str]


def of_course(course: str) -> QueryItem:
    return QueryItem(tags=[f"course:{course}"])


def of_student(student: str) -> QueryItem:
    return QueryItem(event_types=["StudentSubscribed", "StudentUnsubscribed"], tags=[f"student:{student}"])


def tagged(event: RecordedEvent, name: str) -> str:
    """The value of a tag, such as `math` of `course:math`; empty: the event has no such tag."""
    return next((tag.removeprefix(f"{name}:") for tag in event.tags if tag.startswith(f"{name}:")), "")


def state_of(events: Sequence[RecordedEvent], course: str) -> tuple[int | None, set[str]]:
    """The capacity of a course and its students; None: there is no such course."""
    capacity: int | None = None
    students: set[str] = set()
    for event in events:
        if tagged(event, "course") != course:
            continue
        match event.type:
            case "CapacitySet":
                capacity = int(event.data or 0)
            case "StudentSubscribed":
                students.add(tagged(event, "student"))
            case "StudentUnsubscribed":
                students.discard(tagged(event, "student"))
    return capacity, students


def courses_of(events: Sequence[RecordedEvent], student: str) -> set[str]:
    courses: set[str] = set()
    for event in events:
        if tagged(event, "student") == student:
            change = courses.add if event.type == "StudentSubscribed" else courses.discard
            change(tagged(event, "course"))
    return courses


# Each function returns what it has done, or why it has not.


def set_capacity(client: Client, course: str, capacity: int) -> str:
    """Makes a course, or gives it another number of seats."""

    def decide(events: Sequence[RecordedEvent], condition: AppendCondition) -> str:
        _, students = state_of(events, course)
        if len(students) > capacity:
            return f"refused: it has {len(students)} students"
        event = NewEvent(type="CapacitySet", data=str(capacity), tags=[f"course:{course}"])
        client.append(f"course.{course}", [event], condition=condition)
        return "set"

    return decided(client, [of_course(course)], decide)


def subscribe(client: Client, student: str, course: str) -> str:
    """Two rules over different events: the course has a free seat, and the student is not in too many courses."""

    def decide(events: Sequence[RecordedEvent], condition: AppendCondition) -> str:
        capacity, students = state_of(events, course)
        if capacity is None:
            return "refused: there is no such course"
        if student in students:
            return "refused: the student is in it already"
        if len(students) >= capacity:
            return "refused: it is full"
        if len(courses_of(events, student)) >= COURSES_MAX:
            return f"refused: the student is in {COURSES_MAX} courses"
        client.append(f"student.{student}", [changed("StudentSubscribed", student, course)], condition=condition)
        return "subscribed"

    return decided(client, [of_course(course), of_student(student)], decide)


def unsubscribe(client: Client, student: str, course: str) -> str:
    def decide(events: Sequence[RecordedEvent], condition: AppendCondition) -> str:
        _, students = state_of(events, course)
        if student not in students:
            return "refused: the student is not in it"
        client.append(f"student.{student}", [changed("StudentUnsubscribed", student, course)], condition=condition)
        return "unsubscribed"

    return decided(client, [of_course(course)], decide)


def changed(type: str, student: str, course: str) -> NewEvent:
    return NewEvent(type=type, tags=[f"student:{student}", f"course:{course}"])


def decided(client: Client, items: Sequence[QueryItem], decide: Decision) -> str:
    return retry_on_condition(client, EventQuery(items=items), decide, attempts_max=ATTEMPTS_MAX)


def execute(client: Client, line: str) -> str:
    """Does what a line says, and returns what came of it."""
    try:
        match line.split(" "):
            case ["capacity", course, capacity] if re.fullmatch(r"\d{1,6}", capacity):
                return set_capacity(client, course, int(capacity))
            case ["subscribe", student, course]:
                return subscribe(client, student, course)
            case ["unsubscribe", student, course]:
                return unsubscribe(client, student, course)
        return "failed: not a command"
    except Exception as error:
        return f"failed: {error}"


def main(gateway: str) -> None:
    with connect(gateway) as client, ThreadPoolExecutor(AT_A_TIME) as threads:

        def show(line: str) -> None:
            # In one piece: `print` writes the end of the line by itself, and another thread may come between.
            sys.stdout.write(f"{line}: {execute(client, line)}\n")
            sys.stdout.flush()

        for line in sys.stdin:
            threads.submit(show, line.rstrip("\n"))


main(sys.argv[1])
