import { checkRoutes } from './check-routes.ts'
import type { Emitter } from './emitter.ts'
import { formatHtaccess } from './htaccess-config.ts'
import { htaccessFarm } from './htaccess-farm.ts'

/**
 * Apache where nobody may touch its own configuration (shared hosting): one file of rules in the web space's root, written once. What it
 * cannot know of the content Apache reads from a farm beside v2/, at each request.
 */
export const htaccess: Emitter = {
  name: 'htaccess',
  title: 'Apache without a vhost (.htaccess)',
  documentation: 'https://httpd.apache.org/docs/2.4/howto/htaccess.html',
  limits: {},
  options: [],
  marker: '.htaccess',
  comment: '#',
  reload: () => 'upload v2, then .htaccess and htaccess',
  farm: htaccessFarm,
  check: table => checkRoutes(table),
  async *emit({ families }) {
    yield { path: htaccess.marker, chunks: [formatHtaccess(families)] }
  },
}
