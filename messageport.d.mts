export * from './messageport.js'
