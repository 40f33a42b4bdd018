import { serve } from '../../src/serve/server.ts'
import { servingContract } from '../contract/serving.ts'

servingContract('serve', root => serve(root, { listen: '127.0.0.1:0' }))
