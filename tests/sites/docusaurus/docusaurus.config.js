module.exports = {
  title: 'A site with figures',
  url: 'http://localhost',
  baseUrl: '/site/',
  onBrokenLinks: 'throw',
  scripts: [{ src: '/site/kafka-guarantees/embed.js', type: 'module' }],
  presets: [['classic', { docs: { routeBasePath: '/' }, blog: false }]],
};
