import {
  withRetryOnCondition,
  type AppendCondition,
  type EventQuery,
  type NewEvent,
  type RecordedEvent,
  type SluiceClient,
} from 'sluice-eventstore';

/** What may be done with courses. Each function returns what it has done, or why it has not. */

/** Of each student. */
const coursesMax = 3;
/** Many may want the last seat of a course at the same time. */
const attemptsMax = 50;

/** What the events of a course say. */
interface Course {
  /** undefined: there is no such course. */
  readonly capacity: number | undefined;
  readonly students: ReadonlySet<string>;
}

function ofCourse(course: string): EventQuery['items'][number] {
  return { tags: [`course:${course}`] };
}

function ofStudent(student: string): EventQuery['items'][number] {
  return { eventTypes: ['StudentSubscribed', 'StudentUnsubscribed'], tags: [`student:${student}`] };
}

/** The value of a tag, such as `math` of `course:math`. */
function tagged({ tags }: RecordedEvent, name: string): string | undefined {
  return tags.find((tag) => tag.startsWith(`${name}:`))?.slice(name.length + 1);
}

function courseOf(events: readonly RecordedEvent[], course: string): Course {
  let capacity: number | undefined;
  const students = new Set<string>();
  for (const event of events) {
    if (tagged(event, 'course') !== course) continue;
    const student = tagged(event, 'student') ?? '';
    if (event.type === 'StudentSubscribed') students.add(student);
    else if (event.type === 'StudentUnsubscribed') students.delete(student);
    else if (event.type === 'CapacitySet') capacity = Number(event.data);
  }
  return { capacity, students };
}

function coursesOf(events: readonly RecordedEvent[], student: string): ReadonlySet<string> {
  const courses = new Set<string>();
  for (const event of events) {
    if (tagged(event, 'student') !== student) continue;
    const course = tagged(event, 'course') ?? '';
    if (event.type === 'StudentSubscribed') courses.add(course);
    else courses.delete(course);
  }
  return courses;
}

/** Makes a course, or gives it another number of seats. */
export function setCapacity(client: SluiceClient, course: string, capacity: number): Promise<string> {
  return decide(client, [ofCourse(course)], async (events, condition) => {
    const { students } = courseOf(events, course);
    if (students.size > capacity) return `refused: it has ${students.size} students`;
    const event = { type: 'CapacitySet', data: capacity.toString(), tags: [`course:${course}`] };
    await client.append(`course.${course}`, [event], { condition });
    return 'set';
  });
}

/** Two rules over different events: the course has a free seat, and the student is not in too many courses. */
export function subscribe(client: SluiceClient, student: string, course: string): Promise<string> {
  return decide(client, [ofCourse(course), ofStudent(student)], async (events, condition) => {
    const { capacity, students } = courseOf(events, course);
    if (capacity === undefined) return 'refused: there is no such course';
    if (students.has(student)) return 'refused: the student is in it already';
    if (students.size >= capacity) return 'refused: it is full';
    if (coursesOf(events, student).size >= coursesMax)
      return `refused: the student is in ${coursesMax} courses`;
    await client.append(`student.${student}`, [changed('StudentSubscribed', student, course)], { condition });
    return 'subscribed';
  });
}

export function unsubscribe(client: SluiceClient, student: string, course: string): Promise<string> {
  return decide(client, [ofCourse(course)], async (events, condition) => {
    if (!courseOf(events, course).students.has(student)) return 'refused: the student is not in it';
    await client.append(`student.${student}`, [changed('StudentUnsubscribed', student, course)], {
      condition,
    });
    return 'unsubscribed';
  });
}

function changed(type: string, student: string, course: string): NewEvent {
  return { type, tags: [`student:${student}`, `course:${course}`] };
}

function decide(
  client: SluiceClient,
  items: EventQuery['items'],
  decision: (events: readonly RecordedEvent[], condition: AppendCondition) => Promise<string>,
): Promise<string> {
  return withRetryOnCondition(client, { items }, decision, { attemptsMax });
}
