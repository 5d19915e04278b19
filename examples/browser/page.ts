import { ewma, normalize } from 'streamnorm';
import { fromWebSocket } from 'streamnorm/websocket';

interface Quote {
  bid: number;
  volume: number;
}

const show = (id: string, text: string) => {
  const element = document.getElementById(id);
  if (element) element.textContent = text;
};

const url = new URLSearchParams(location.search).get('feed') ?? 'ws://127.0.0.1:8080/out/quotes?include=raw';
let rows = 0;

fromWebSocket<Quote>(url, {
  // a message of the server becomes records; the rows of any other feed are pulled out the same way
  samples: (message) => {
    const { raw = [] } = message as { raw?: number[][] };
    return raw.map(([bid, volume]) => ({ bid, volume }));
  },
  status: ({ type }) => {
    if (type === 'open' || type === 'waiting' || type === 'connecting') show('state', type);
  },
})
  .pipe(normalize(ewma({ halfLife: 50 }), { features: ['bid', 'volume'], detail: true }))
  .subscribe(({ sample, value }) => {
    show('bid', sample.bid.toFixed(2));
    show('volume', sample.volume.toFixed(0));
    show('bid-z', value.bid.toFixed(2));
    show('volume-z', value.volume.toFixed(2));
    show('rows', String(++rows));
  });
