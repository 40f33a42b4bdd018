/** Where everything of Firebase's stands: its settings beside the published folder, so that they are not published. */
export const firebasePaths: Readonly<Record<'settings' | 'marker' | 'site', string>> = {
  settings: 'firebase/firebase.json',
  marker: 'firebase/.gitignore',
  site: 'firebase/site',
}

/** Paths on the site of what it serves besides the files of the routes. */
export const firebasePages: Readonly<Record<'version' | 'noReferrers' | 'notFound', string>> = {
  version: '/version.json',
  noReferrers: '/referrers.json',
  notFound: '/404.html',
}
