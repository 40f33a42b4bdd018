import { sourceContract } from '../contract/source.ts'
import { createMemorySource } from './memory-source.ts'

sourceContract('memory', async images => ({ source: createMemorySource({ app: images }), repository: 'app' }))
