import type { AnyElysia } from 'elysia';
import { answer, type Visit, type Work } from './answer.ts';
import type { Hall } from './hall.ts';
import { type Description, describe, hidden, type Operation } from './openapi.ts';

/** Mounts a documented GET route of the server itself, with its HEAD. */
export function mountGet(app: AnyElysia, hall: Hall, description: Description, work: Work): void {
  mountPath(app, hall, description.path, describe(description), work);
}

/** The same for a path that the document leaves out. */
export function mountHidden(app: AnyElysia, hall: Hall, path: string, work: Work): void {
  mountPath(app, hall, path, hidden, work);
}

function mountPath(app: AnyElysia, hall: Hall, path: string, detail: Operation, work: Work): void {
  // Elysia reads these functions' text to learn what they need; naming more than the request makes it parse more.
  app.get(path, ({ request }) => answer(hall, request, work), { detail });
  app.head(path, ({ request }) => answer(hall, request, work), { detail: hidden });
}

/** Closes the record of an answer that is complete. */
export function recorded(hall: Hall, visit: Visit, response: Response): Response {
  visit.record.status = response.status;
  hall.telemetry.close(visit.record);
  return response;
}
